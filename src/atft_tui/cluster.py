"""The machines of a cluster and the trials on each, in a few lines."""

from __future__ import annotations

from textual.content import Content

from atft_core.run.foreign import clean
from atft_core.run.state import State
from atft_core.run.wording import finite, several
from atft_tui.format import cut, line


def cluster_lines(state: State, width: int, most: int) -> list[Content]:
    """A line for all, then one for each that is up, as far as they fit; none without a cluster."""
    if not state.nodes:
        return []
    up = [node for node in state.nodes if node.get("alive")]
    gone = len(state.nodes) - len(up)
    unfit = sum(bool(node.get("why")) for node in up)
    lost = (f"  {gone} gone", "bold $text-error") if gone else ""
    useless = (f"  {unfit} not used", "bold $text-error") if unfit else ""
    at_work = f"  {len(state.at_work)} of {several(state.slots, 'slot')} at work"
    lines = [line(f" cluster {several(len(up), 'node')}", lost, useless, at_work)]
    rows = [_node(state, str(node.get("name", "")), node, width) for node in up]
    more = len(rows) - max(1, most - 1)
    if more > 0:
        rows = [*rows[: max(1, most - 1) - 1], line((f"   and {more + 1} more", "$text-muted"))]
    return [*lines, *rows]


def _node(state: State, name: str, node: dict[str, object], width: int) -> Content:
    if why := str(node.get("why") or ""):
        said = cut(f"   {clean(name, 24):16} not used: {clean(why, 200)}", width)
        return line((said, "$text-error"))
    trials = [str(trial.number) for trial in state.at_work if trial.node == name]
    gpus = f"{finite(node.get('gpus')) or 0:g} GPU  " if finite(node.get("gpus")) else ""
    has = f"{gpus}{finite(node.get('cpus')) or 0:g} CPU"
    doing = f"trials {', '.join(trials)}" if trials else "idle"
    return line((cut(f"   {clean(name, 24):16} {has:16} {doing}", width), "$text-muted"))
