"""The console in a browser: for whoever has the token, on this machine, and for nobody else."""

import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pty_console import PATIENCE

pytest.importorskip("textual_serve", reason="pip install 'atft[serve]'")
pytestmark = pytest.mark.slow


@contextmanager
def served(*args, port):
    """A server, and the address that it printed."""
    command = [sys.executable, "-m", "atft_tui", "--serve", str(port), *map(str, args)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        line = process.stdout.readline()
        yield re.search(r"http://\S+", line)[0], process
    finally:
        process.terminate()
        process.wait(PATIENCE)
        process.stdout.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answered(url, **headers):
    """Status, headers and text."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


@pytest.fixture
def page(finished):
    port = free_port()
    with served("output/dry", port=port) as (url, _):
        yield url, f"http://127.0.0.1:{port}"


def test_only_the_token_opens_it(page):
    url, root = page
    assert answered(f"{root}/")[0] == 403
    assert answered(f"{root}/static/js/textual.js")[0] == 403
    assert answered(f"{root}/?token=guessed")[0] == 403
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(url) as answer:
        assert answer.url == f"{root}/", "the token stays in no address bar"
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "ws://127.0.0.1" in answer.read().decode()


def test_two_consoles_on_two_ports_do_not_put_each_other_out(page):
    first, root = page
    port = free_port()
    with served("output/dry", port=port) as (second, _):
        jar = CookieJar()
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        for url in (first, second, f"{root}/", f"http://127.0.0.1:{port}/"):
            with opener.open(url) as answer:
                assert answer.status == 200
        tokens = {cookie.name: cookie.value for cookie in jar}
        mine, other = f"atft-console-{port}", f"atft-console-{urlsplit(root).port}"
        assert set(tokens) == {mine, other}
        for cookie in (f"{other}={tokens[other]}", f"{mine}={tokens[other]}",
                       f"{other}={tokens[mine]}", f"atft-console={tokens[mine]}"):  # fmt: skip
            assert answered(f"http://127.0.0.1:{port}/", Cookie=cookie)[0] == 403
        assert answered(f"http://127.0.0.1:{port}/", Cookie=f"{mine}={tokens[mine]}")[0] == 200


def test_a_host_with_a_port_that_is_none_is_answered(page):
    _, root = page
    assert answered(f"{root}/", Host="localhost:99999")[0] == 403


def test_other_sites_and_other_names_are_refused(page):
    url, _ = page
    assert answered(url, Host="rebound.example")[0] == 403
    assert answered(url, Origin="http://rebound.example")[0] == 403


def test_it_listens_on_the_loopback_only(page):
    url, _ = page
    port = f"{int(url.split(':')[2].partition('/')[0]):04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port}")}
    assert listening == {f"0100007F:{port}"}


def test_a_taken_port_is_named(page):
    url, _ = page
    port = url.split(":")[2].partition("/")[0]
    command = [sys.executable, "-m", "atft_tui", "--serve", port]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    assert f"Port {port} cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_browser_shows_the_run_and_q_ends_its_console(page):
    aiohttp = pytest.importorskip("aiohttp")
    assert aiohttp
    from browser import CHROMIUM, browser

    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    url, _ = page
    async with browser(url) as shown:
        await shown.until(lambda: b"Checklist" in shown.received and b"FINISHED" in shown.received)
        assert await shown.value("location.search") == ""
        consoles = consoles_of("output/dry")
        assert consoles
        await shown.press("?")
        await shown.until(lambda: b"main screen" in shown.received)
        await shown.press("q")  # closes the page of keys
        await shown.press("q")
        give_up = time.monotonic() + PATIENCE
        while any(place.exists() for place in consoles):
            assert time.monotonic() < give_up
            await shown.value("0")


def consoles_of(run):
    """The consoles that look at a run, without the server that started them."""
    commands = {path.parent: path for path in Path("/proc").glob("[0-9]*/cmdline")}
    return [place for place, path in commands.items() if is_console(words_of(path), run)]


def words_of(path):
    with suppress(OSError):  # it has just ended
        return path.read_text().split("\0")
    return []


def is_console(words, run):
    return "atft_tui" in words and run in words and "--serve" not in words
