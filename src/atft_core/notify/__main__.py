"""`python -m atft_core.notify`: send messages to the hook and the webhooks, then end.

A process of its own, so that neither a slow network nor a bad command holds up the engine. It gets
the messages as JSON on its standard input, reads notify.toml itself, so that no address travels,
and answers with the channels that failed. It ends by itself in any case.
"""

from __future__ import annotations

import json
import signal
import sys

from atft_core.notify.deliver import deliver, wanted
from atft_core.notify.message import Message
from atft_core.notify.settings import load_or_default

_URL_SECONDS = 60.0
"""Most that one webhook may take for one message."""


def main() -> None:
    """Deliver what standard input holds; one line of answer."""
    loaded, _ = load_or_default()  # the engine has told what is wrong with the file
    settings = loaded.settings
    messages = [Message(**each) for each in json.load(sys.stdin)]
    each = settings.hook_seconds + _URL_SECONDS * len(settings.urls)
    signal.alarm(int(len(messages) * each) + 10)
    failed: dict[str, str] = {}
    worked: set[str] = set()
    for message in messages:
        if loaded.off or not wanted(settings, message):
            continue
        for sent in deliver(settings, message):
            if sent.why_not:
                failed.setdefault(sent.channel, sent.why_not)
            else:
                worked.add(sent.channel)
    print(json.dumps({"failed": failed, "worked": sorted(worked - failed.keys())}))  # noqa: T201


if __name__ == "__main__":
    main()
