"""Webhooks: a real server gets what apprise posts; without apprise it is said what to install."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from types import ModuleType

import pytest

from atft_core.notify.deliver import deliver
from atft_core.notify.outbox import Outbox
from atft_core.notify.settings import Settings, load
from atft_core.notify.webhooks import label, post

SECRET = "hunter2"


class Receiver(BaseHTTPRequestHandler):
    """Keeps what is posted; paths that end in /broken are answered with 500."""

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        self.server.got.append(json.loads(self.rfile.read(length)))
        self.send_response(500 if self.path.endswith("broken") else 200)
        self.end_headers()

    def log_message(self, *args):
        """Quiet."""


@pytest.fixture
def server():
    """A server on a free port."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    made.got = []
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def with_apprise(test):
    """Only where it is installed; it loads modules that this Python is about to drop."""
    missing = find_spec("apprise") is None
    why = "apprise is not installed: pip install 'atft[notify]'"
    return pytest.mark.skipif(missing, reason=why)(
        pytest.mark.filterwarnings("ignore::DeprecationWarning")(test)
    )


@with_apprise
def test_a_server_gets_the_alert(server, alert):
    assert post(f"json://127.0.0.1:{server.server_port}/{SECRET}", alert) == ""
    (got,) = server.got
    assert got["title"] == alert.title
    assert alert.text in got["message"]
    assert "/runs/short on box" in got["message"]
    assert got["type"] == "warning"


@with_apprise
def test_the_engine_sends_it_from_a_process_of_its_own(server, alert, write):
    write(f'urls = ["json://127.0.0.1:{server.server_port}/{SECRET}", "json://127.0.0.1:9/x"]')
    outbox, failures, give_up = Outbox(), [], time.monotonic() + 60
    outbox.put(load(), [alert])
    while outbox.busy:
        assert time.monotonic() < give_up
        failures += outbox.turn()
        time.sleep(0.02)
    assert [got["title"] for got in server.got] == [alert.title]
    (said,) = failures
    assert said.endswith("webhook 2 (json://...): apprise could not deliver it")


@with_apprise
def test_a_server_that_refuses_and_one_that_is_not_there_are_told_apart_from_success(
    server, alert, capfd
):
    for url in (f"json://127.0.0.1:{server.server_port}/{SECRET}/broken", "json://127.0.0.1:9/x"):
        assert post(url, alert) == "apprise could not deliver it"
    assert post("nosuchservice://x", alert) == "apprise knows no such address"
    assert SECRET not in "".join(capfd.readouterr())


def test_without_apprise_it_is_said_what_to_install(alert, monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    (sent,) = deliver(Settings(urls=(f"json://x/{SECRET}",)), alert)
    assert sent.channel == "webhook 1 (json://...)"
    assert sent.why_not == "apprise is not installed: pip install 'atft[notify]'"


class Broken:
    """A service of apprise that raises what it should keep."""

    def add(self, url):
        return True

    def notify(self, **_):
        raise ValueError(f"cannot reach {SECRET}")


def test_what_a_service_raises_is_not_quoted(alert, monkeypatch):
    stand_in = ModuleType("apprise")
    stand_in.Apprise = Broken
    monkeypatch.setitem(sys.modules, "apprise", stand_in)
    assert post(f"json://x/{SECRET}", alert) == "apprise failed with ValueError"


@pytest.mark.parametrize(
    ("url", "shown"),
    [("slack://a/b/c", "slack://..."), ("hunter2", "..."), ("\x1b[31m://x", "://...")],
)
def test_an_address_is_shown_by_its_kind_only(url, shown):
    assert label(url) == shown
