"""A PostgreSQL server of its own for tests: a real one, on the loopback, gone afterwards."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

PASSWORD = "s3cret-word"
"""What must not be found anywhere."""


def binaries():
    """Folder of initdb and postgres; skips where the server is not installed."""
    pytest.importorskip("psycopg", reason="pip install 'atft[postgres]'")
    found = shutil.which("postgres")
    places = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not places:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    return places[-1]


class Server:
    """A server; it refuses to run as root, so there it runs as the user of the package."""

    def __init__(self, home: Path):
        self._bin, self._data = binaries(), home / "data"
        self._as = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        words = home / "words"
        words.write_text(PASSWORD)
        if os.geteuid() == 0:
            for path in (home, words):
                shutil.chown(path, "postgres")
        self._run("initdb", "-D", self._data, "-U", "researcher", "-A", "scram-sha-256",
                  "--pwfile", words, "--no-sync")  # fmt: skip
        self._log = home / "server.log"
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://researcher:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def _run(self, name, *words):
        subprocess.run([self._bin / name, *map(str, words)], check=True, user=self._as,
                       cwd="/", capture_output=True, env={"PATH": os.environ["PATH"]})  # fmt: skip

    def start(self):
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, "-p", str(self.port), "-F",
                 "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="],
                user=self._as, cwd="/", stdout=log, stderr=log,
            )  # fmt: skip
        self.wait()

    def wait(self):
        """Until it lets somebody in."""
        import psycopg

        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            with suppress(psycopg.Error), psycopg.connect(self.url, connect_timeout=5):
                return
            time.sleep(0.1)
        raise AssertionError(self._log.read_text()[-2000:])

    def stop(self, *, crash=False):
        """In order, or as by a power cut."""
        self._process.send_signal(signal.SIGQUIT if crash else signal.SIGINT)
        self._process.wait(timeout=60)


def a_server():
    """For a fixture. Its files are in no folder of this user: another one has to reach them."""
    binaries()
    with tempfile.TemporaryDirectory(prefix="atft-postgres-") as home:
        server = Server(Path(home))
        try:
            yield server
        finally:
            server.stop()
