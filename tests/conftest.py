"""What tests of several folders need."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

STUB = Path(__file__).with_name("nvml_stub.c")
CUT_SHORT = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 2")
database.execute("BEGIN")
for i in range(500):  # more than the cache holds: half of it stands in the file
    database.execute("INSERT INTO study_user_attributes (study_id, key, value_json) "
                     "VALUES (1, ?, ?)", (str(i), '"' + "x" * 1000 + '"'))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="session", autouse=True)
def nobodys_home(tmp_path_factory):
    """Tests neither read nor change what the person who runs them has configured and allowed."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CACHE", "CONFIG", "STATE"):
            patch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
        yield


@pytest.fixture
def cut_short():
    """Kill a program in the middle of a commit to a study; where SQLite keeps what it replaced."""

    def cut(study):
        done = subprocess.run([sys.executable, "-c", CUT_SHORT, str(study)], check=False)
        journal = study.with_name(f"{study.name}-journal")
        assert done.returncode == -signal.SIGKILL and journal.stat().st_size, (
            "nothing was cut short"
        )
        return journal

    return cut


@pytest.fixture(scope="session")
def driver(tmp_path_factory):
    """Folder with a libnvidia-ml.so.1 that was compiled for these tests."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (cc): the stub of the NVIDIA driver cannot be built")
    folder = tmp_path_factory.mktemp("driver")
    library = folder / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(STUB)], check=True)
    return folder
