"""Webhooks, through apprise: Slack, mail, ntfy, plain JSON and a hundred others by address."""

from __future__ import annotations

import logging

from atft_core.notify.message import Message
from atft_core.run.foreign import clean

_KINDS = {"info": "info", "error": "failure"}
"""Our levels in apprise's words; the others are a warning."""


def label(url: str) -> str:
    """An address as it may be shown: most of them are secrets."""
    scheme, found, _ = url.partition("://")
    return f"{clean(scheme, 20)}://..." if found else "..."


def post(url: str, message: Message) -> str:
    """Send a message to one address; why it could not be sent, else ''."""
    try:
        import apprise
    except ImportError:
        return "apprise is not installed: pip install 'atft[notify]'"
    quiet = logging.getLogger("apprise")  # it would print parts of the address
    quiet.addHandler(logging.NullHandler())
    quiet.propagate = False
    service = apprise.Apprise()
    try:
        if not service.add(url):
            return "apprise knows no such address"
        sent = service.notify(
            title=message.title,
            body=f"{message.text}\n{message.run} on {message.host}",
            notify_type=_KINDS.get(message.level, "warning"),
            body_format="text",
        )
    except Exception as error:  # noqa: BLE001 -- a service of apprise; its words may hold the address
        return f"apprise failed with {type(error).__name__}"
    return "" if sent else "apprise could not deliver it"
