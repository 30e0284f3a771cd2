"""What becomes of one message: the hook and the webhooks, each with its answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from atft_core.notify.hook import run_hook
from atft_core.notify.message import Message
from atft_core.notify.settings import Settings
from atft_core.notify.webhooks import label, post
from atft_core.run.alerts import reaches


@dataclass(frozen=True)
class Sent:
    """One channel's answer; `why_not` is empty where the message was sent."""

    channel: str
    why_not: str = ""


def wanted(settings: Settings, message: Message) -> bool:
    """Whether the hook or a webhook tells it.

    That one of them failed is told by neither: it would go on for ever.
    """
    if message.key in settings.silent or message.key == "notify":
        return False
    to_hook = bool(settings.hook) and reaches(message.level, settings.hook_level)
    return to_hook or (bool(settings.urls) and reaches(message.level, settings.urls_level))


def deliver(settings: Settings, message: Message, *, always: bool = False) -> Iterator[Sent]:
    """Send a message to whoever wants it; `always`: to all that are not off, as a test does."""
    if settings.hook and _tells(message, settings.hook_level, always=always):
        why_not = run_hook(settings.hook, message, settings.hook_seconds)
        yield Sent("hook", why_not)
    if settings.urls and _tells(message, settings.urls_level, always=always):
        for number, url in enumerate(settings.urls, start=1):
            yield Sent(f"webhook {number} ({label(url)})", post(url, message))


def _tells(message: Message, bar: str, *, always: bool) -> bool:
    return bar != "off" if always else reaches(message.level, bar)
