"""What is copied reaches the clipboard of the terminal, and nothing of it the screen."""

import base64

from pty_console import console, terminal


def test_c_sends_the_path_of_the_run_to_the_clipboard(book, finished):
    sent = b"\x1b]52;c;" + base64.b64encode(str(finished.path).encode()) + b"\x07"
    with terminal(console("--runbook", book.path, "output/dry")) as shown:
        shown.shows("FINISHED", "ok done")
        assert b"\x1b]52;" not in shown.received
        shown.press("C")
        shown.until(lambda: sent in shown.received)
        shown.shows("copied:")
        shown.press("q")
        assert shown.ends() == 0
        assert shown.received.count(b"\x1b]52;") == 1
