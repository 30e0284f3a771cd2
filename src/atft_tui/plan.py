"""The answer of `atft run STAGE --plan --json` as lines."""

from __future__ import annotations

import textwrap
from typing import Any

from textual.content import Content

from atft_core.run.foreign import clean
from atft_core.run.wording import duration, panel_in_brief, scale, size
from atft_tui.format import TIED, figure, line, table, wrapped


def plan_rows(plan: dict[str, Any], width: int, *, resume: bool) -> list[Content]:
    """Data, split, cost, gate, settings, warnings."""
    lines = [*_stopped(plan, width, resume=resume)]
    lines += _pair("data", _data(plan.get("data", {})), width)
    lines += _pair("hash", figure(plan.get("data", {}).get("hash")), width)
    lines += _split(plan.get("split", {}))
    if resume:
        where = f"its own, in {clean(str(plan.get('stopped_run')))}/config.toml; no gate is asked"
        return [*lines, *_pair("settings", where, width)]
    lines += _pair("output", clean(str(plan.get("output_dir"))), width)
    lines += _pair("cost", _cost(plan), width)
    lines += _gate(plan.get("gate", {}), width)
    lines += _settings(plan.get("settings", {}), width)
    for warning in plan.get("warnings", []):
        lines += _pair("warning", clean(str(warning)), width, "$text-warning")
    return lines + _search(plan.get("search", {}), width)


def _pair(name: str, text: str, width: int, style: str = "") -> list[Content]:
    pieces = wrapped(text, width - 12) or [""]
    return [
        line((f" {name if i == 0 else '':8} ", "$text-muted"), (piece, style))
        for i, piece in enumerate(pieces)
    ]


def _stopped(plan: dict[str, Any], width: int, *, resume: bool) -> list[Content]:
    """The choice that a stopped run leaves."""
    if not plan.get("stopped_run"):
        return []
    old, new = clean(str(plan["stopped_run"])), clean(str(plan.get("output_dir")))
    if resume:
        said = f"resume {old} (n: a new run instead)"
    else:
        said = f"a new run in {new} (n: resume {old} instead)"
    return _pair("stopped", said, width, "$text-warning")


def _data(data: dict[str, Any]) -> str:
    rows = data.get("rows")
    counted = f"{rows:,} rows" if isinstance(rows, int) else ""
    if data.get("command"):
        return f"{clean(str(data['command']))}  {panel_in_brief(data)}"
    shape = f"{figure(data.get('stocks'))} stocks x {figure(data.get('days'))} days"
    span = f"{figure(data.get('first'))} .. {figure(data.get('last'))}"
    figures = (part.replace(" ", TIED) for part in (counted, shape, span) if part)
    return "  ".join((clean(str(data.get("path"))), *figures))


def _split(split: dict[str, Any]) -> list[Content]:
    lines = []
    for name in ("train", "val", "holdout") if split else ():
        span = split.get(name) or ("?", "?")
        days = figure(split.get(f"{name}_days"))
        purge = f"   purged between: {figure(split.get('purge_days'))} days"
        text = f"{clean(str(span[0]))} .. {clean(str(span[1]))}  {days:>5} days"
        lines.append(line((f" {name:8} ", "$text-muted"), text,
                          (purge if name == "train" else "", "$text-muted")))  # fmt: skip
    return lines


def _cost(plan: dict[str, Any]) -> str:
    trials, epochs = plan.get("trials", 0), plan.get("epochs", 0)
    eta = plan.get("eta_seconds")
    took = f"about {duration(float(eta))}" if eta is not None else "time not known yet"
    disk = f"disk {size(plan.get('disk_need'))} of {size(plan.get('disk_free'))} free"
    return f"{scale(int(trials), int(epochs))}, {took}, {disk}"


def _gate(gate: dict[str, Any], width: int) -> list[Content]:
    is_open = bool(gate.get("open"))
    word = "ok open" if is_open else "-- locked"
    style = "$text-success" if is_open else "$text-error"
    return _pair("gate", f"{word}: {clean(str(gate.get('reason', '')))}", width, style)


def _settings(settings: dict[str, Any], width: int) -> list[Content]:
    """Two columns of key, value, origin; what is not a default stands out by its origin."""
    cells = []
    for key, pair in settings.items():
        value, origin = pair if isinstance(pair, list) and len(pair) == 2 else (pair, "")
        said = "" if origin in ("", "default") else f"({clean(str(origin), 40)})"
        cells.append((clean(key, 30), figure(value), said))
    texts = [text.rstrip() for text in table(cells)]
    if width < 90 or any(len(text) > (width - 12) // 2 for text in texts):
        pairs = texts if width >= 90 else _packed(cells, width)
    else:
        half = (len(texts) + 1) // 2
        right = [*texts[half:], ""]
        pairs = [f"{a:<{(width - 12) // 2}} {b}" for a, b in zip(texts[:half], right, strict=False)]
    return [
        line((f" {'settings' if i == 0 else '':8} ", "$text-muted"), text)
        for i, text in enumerate(pairs)
    ]


def _search(search: dict[str, Any], width: int) -> list[Content]:
    """What each trial draws from."""
    words = [f"{clean(key, 40)}={clean(str(entry), 60)}" for key, entry in search.items()]
    packed = textwrap.wrap("  ".join(words), max(20, width - 12), break_on_hyphens=False)
    return [
        line((f" {'search' if i == 0 else '':8} ", "$text-muted"), text)
        for i, text in enumerate(packed)
    ]


def _packed(cells: list[tuple[str, str, str]], width: int) -> list[str]:
    """As many as fit on each line, for narrow screens."""
    words = [" ".join(part for part in (f"{key}={value}", said) if part).replace(" ", "\u00a0")
             for key, value, said in cells]  # fmt: skip
    return [text.replace("\u00a0", " ")
            for text in textwrap.wrap("  ".join(words), max(20, width - 12),
                                      break_on_hyphens=False)]  # fmt: skip


def command_rows(command: str, width: int) -> list[Content]:
    """The exact command."""
    if not command:
        return []
    pieces = textwrap.wrap(clean(command), max(20, width - 4), break_on_hyphens=False)
    return [
        Content(""),
        *(line((" $ " if i == 0 else "   ", "$text-muted"), (piece, "$text-accent"))
          for i, piece in enumerate(pieces)),
    ]  # fmt: skip
