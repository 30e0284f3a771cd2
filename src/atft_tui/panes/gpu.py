"""What the GPUs do and who is on them; where there is none to ask, what the run's processes do."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from textual.content import Content

from atft_core.gpu.sampler import percentile
from atft_core.run.state import State
from atft_core.run.wording import MISSING, fixed, size
from atft_tui.cluster import cluster_lines
from atft_tui.format import clock, cut, figure, line
from atft_tui.gpu_now import HISTORY, GpuNow, Sample
from atft_tui.machine_now import Machine, Process
from atft_tui.pane import Pane, Row
from atft_tui.view import View

_BARS = "▁▂▃▄▅▆▇█"
_MARKS = {"train": "t", "validate": "v", "checkpoint": "c"}
"""What stands below a second of the history."""
_USERS = 4
_WIDE = 70
"""Cells from which power and temperature fit beside the history."""


@dataclass(frozen=True)
class Piece:
    """Some lines, and how dearly they are missed: the lowest rank stays longest."""

    rank: int
    lines: Sequence[Content]


class GpuPane(Pane):
    """The machine as it is now, and what the last epoch's samples said."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.machine: Machine | None = None

    def show_machine(self, machine: Machine) -> None:
        """Draw a new look at the machine."""
        self.machine = machine
        self.draw()

    def captions(self, view: View) -> tuple[str, str]:
        """Whether what is shown counts."""
        if view.gpus is not None:
            return "1 GPU", f"recorded, until {clock(view.now)}" if view.past else "recorded"
        look = self.machine
        of_run = look.of_run if look and look.gpus else view.live
        return "1 GPU", "" if of_run else "sampled by the console: not evidence"

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """One line, or the whole picture."""
        machine = self.machine
        if view.gpus is not None:
            return [Row(content) for content in past(view.gpus, view, width, height)]
        if machine is None:
            return [Row(line((" looking at the machine ...", "$text-muted")))]
        if height == 1:
            return [Row(compact(machine, width, wanted=_wanted(view)))]
        return [Row(content) for content in full(machine, view, width, height)]


def compact(machine: Machine, width: int, *, wanted: bool) -> Content:
    """Everything that matters in one line; `wanted`: a criterion asks for a GPU."""
    parts: list[str | tuple[str, str]] = [" ", *_cards(machine)]
    if not machine.gpus:
        parts += [("no GPU", "$text-warning" if wanted else "$text-muted"), "  "]
    parts.append(f"cpu {machine.cpu:3.0f} % of {machine.cores}  ")
    parts.append(f"mem {_gib(machine.mem_used)}/{_gib(machine.mem_total)} GiB")
    for process in machine.processes[:3]:
        parts.append(("  " + process.role + f" {process.cpu:.0f} %", "$text-muted"))
    text = line(*parts)
    return text if text.cell_length <= width else text.truncate(width, ellipsis=True)


def _cards(machine: Machine) -> list[str | tuple[str, str]]:
    """Every card in a few words."""
    parts: list[str | tuple[str, str]] = []
    for gpu in machine.gpus:
        heat = f" {fixed(gpu.temperature, 0)} C" if gpu.temperature is not None else ""
        busy = f"GPU {gpu.index} {fixed(gpu.sm, 0, 3)} %"
        parts.append(f"{busy}  {_memory(gpu)}  {fixed(gpu.power, 0)} W{heat}  ")
        parts += [(f"{text}  ", "$text-error") for text in _ills(gpu)]
    return parts


def past(gpus: Sequence[GpuNow], view: View, width: int, height: int) -> list[Content]:
    """What was recorded: the cards and the percentiles, without this machine as it is now."""
    recorded = Machine(gpus=tuple(gpus), of_run=True)
    if height == 1:
        said = (" recorded ", "$text-muted") if gpus else (" no GPU was recorded", "$text-muted")
        text = line(said, *_cards(recorded))
        return [text if text.cell_length <= width else text.truncate(width, ellipsis=True)]
    pieces = [
        piece for gpu in gpus for piece in _card(gpu, width, roomy=height > 4 + 3 * len(gpus))
    ]
    if not gpus:
        pieces.append(Piece(0, [line((" no GPU was recorded", "$text-muted"))]))
    duty = [line((cut(f" {text}", width), "$text-muted")) for text in _duty(recorded, view)]
    return fit([*pieces, Piece(2, duty)], height)


def full(machine: Machine, view: View, width: int, height: int) -> list[Content]:
    """GPUs, what ails them, who uses them, the epoch's percentiles, the machine, processes."""
    roomy = height > 4 + 3 * len(machine.gpus)
    pieces: list[Piece] = []
    for gpu in machine.gpus:
        pieces += _card(gpu, width, roomy=roomy)
    if not machine.gpus:
        pieces.append(Piece(0, _missing(machine, view, width, zoomed=height > 6)))
    pieces.append(Piece(1, cluster_lines(view.state, width, height // 2)))
    duty = [line((cut(f" {text}", width), "$text-muted")) for text in _duty(machine, view)]
    pieces += [Piece(2, duty), Piece(3, [_cpu(machine, width)])]
    lines = fit(pieces, height)
    return [*lines, *_running(machine, width, height - len(lines))]


def _card(gpu: GpuNow, width: int, *, roomy: bool) -> list[Piece]:
    """A card, what ails it, two minutes of it, its figures, who uses it."""
    pieces = [Piece(0, [_gpu(gpu, width)])]
    ills = [line((f"   {text}", "bold $text-error")) for text in _ills(gpu)]
    pieces += [Piece(1, ills)] if ills else []
    if roomy and gpu.history:
        pieces.append(Piece(6, _marks(gpu, width)))
    pieces.append(Piece(5, [line((cut(f"   {_detail(gpu)}", width), "$text-muted"))]))
    return [*pieces, Piece(4, _users(gpu, width))]


def fit(pieces: Sequence[Piece], height: int) -> list[Content]:
    """The pieces that are missed most, in their own order, as far as there is room."""
    kept, room = set(), height
    for i in sorted(range(len(pieces)), key=lambda i: pieces[i].rank):
        if len(pieces[i].lines) <= room:
            kept.add(i)
            room -= len(pieces[i].lines)
    return [content for i, piece in enumerate(pieces) if i in kept for content in piece.lines]


def _missing(machine: Machine, view: View, width: int, *, zoomed: bool) -> list[Content]:
    """That no GPU can be asked, what follows, and why where there is room."""
    wanted = _wanted(view)
    follows = ": GPU criteria stay ??" if wanted else "; no criterion needs one"
    style = "$text-warning" if wanted else "$text-muted"
    lines = [line((f" no GPU can be read here{follows}", style))]
    if zoomed:
        lines.append(line((cut(f" {machine.reason}", width), "$text-muted")))
    return lines


def _wanted(view: View) -> bool:
    """Whether a criterion asks for a GPU."""
    return any(result.name == "gpu_utilisation" for result in view.results)


# One GPU.


def _gpu(gpu: GpuNow, width: int) -> Content:
    """Its name, how busy it is and was, its memory; the rest has a line of its own."""
    name, wide = gpu.name.replace("NVIDIA ", ""), width >= _WIDE
    card = f"{cut(gpu.node, 12)}:{gpu.index}" if gpu.node else str(gpu.index)
    left = f" {card} {cut(name, 14):14} sm " if wide else f" {card} {cut(name, 5):5} "
    right = f" {_memory(gpu)}"
    right += f"  {fixed(gpu.power, 0)} W  {fixed(gpu.temperature, 0)} C" if wide else ""
    room = max(0, min(HISTORY, width - len(left) - len(right) - 8))
    bars = spark([sample.busy for sample in gpu.history], room)
    return line((left, "$text-muted"), f"{fixed(gpu.sm, 0, 3)} %  ", (bars, "$text-success"), right)


def _marks(gpu: GpuNow, width: int) -> list[Content]:
    """Two minutes, and below each second what the run was doing."""
    room = max(0, min(HISTORY, width - 4))
    samples: Sequence[Sample] = gpu.history[-room:]
    marks = "".join(_MARKS.get(sample.stage, " ") for sample in samples).rjust(room)
    known = [f"{mark} {stage}" for stage, mark in _MARKS.items() if mark in marks]
    lines = [line("   ", (spark([s.busy for s in samples], room), "$text-success"))]
    if known:
        lines.append(line("   ", (marks, "$text-muted")))
        lines.append(line((f"   {', '.join(known)}", "$text-muted")))
    return lines


def _ills(gpu: GpuNow) -> list[str]:
    """What makes a card slow or wrong; of a lost one, since when the rest is old."""
    found = [f"lost since {clock(gpu.lost)}"] if gpu.lost is not None else []
    found += [f"throttled: {', '.join(gpu.throttle)}"] if gpu.throttle else []
    found += [f"Xid {gpu.xid}: the driver reports a fault"] if gpu.xid is not None else []
    found += [f"{gpu.ecc} memory errors (ECC)"] if gpu.ecc else []
    return found


def _detail(gpu: GpuNow) -> str:
    parts = [f"{fixed(gpu.power, 0)}/{fixed(gpu.power_limit, 0)} W"]
    parts += [f"{fixed(gpu.temperature, 0)} C", f"{fixed(gpu.sm_clock, 0)} MHz"]
    parts.append(f"memory busy {fixed(gpu.mem_util, 0)} %")
    if gpu.pcie_rx is not None:
        parts.append(f"bus in {_rate(gpu.pcie_rx)} out {_rate(gpu.pcie_tx)}")
    return "  ".join(parts)


def _users(gpu: GpuNow, width: int) -> list[Content]:
    """Who computes on it; whoever is not of this run stands out."""
    lines = []
    for user in gpu.users[:_USERS]:
        memory = "" if user.mem is None else f"  {_gib(user.mem)} GiB"
        text = cut(f"   pid {user.pid} {user.who}{memory}", width)
        lines.append(line((text, "$text-muted" if user.ours else "$text-warning")))
    more = len(gpu.users) - _USERS
    return [*lines, line((f"   and {more} more", "$text-warning"))] if more > 0 else lines


# The epoch, the machine, the processes.


def _duty(machine: Machine, view: View) -> list[str]:
    """How busy a GPU was in the running epoch so far, and by the engine's samples in the last."""
    said: list[str] = []
    for gpu in machine.gpus if machine.of_run else ():
        since = epoch_began(view.state, {user.pid for user in gpu.users})
        if since is None:
            continue
        busy = sorted(s.busy for s in gpu.history if s.t >= since and s.stage in ("", "train"))
        if len(busy) > 2:
            p10, p50, p90 = (percentile(busy, q) for q in (10, 50, 90))
            said.append(f"GPU {gpu.index} this epoch: p10 {p10:.0f}  p50 {p50:.0f}  p90 {p90:.0f} %"
                        f", {len(busy)} s")  # fmt: skip
    return said + _evidence(view.state)


def epoch_began(state: State, pids: Set[int]) -> float | None:
    """When the epoch began of the trial that is on a card, by the processes there, else of the
    newest one; None when nothing runs.
    """
    trial = next((trial for trial in state.at_work if trial.pid in pids), state.current)
    if trial is None:
        return None
    return trial.epochs[-1].t if trial.epochs else trial.started


def _evidence(state: State) -> list[str]:
    """What the run's own samples said about the last epoch that has any."""
    lasts = [(t.epochs[-1].t, t.number, t.epochs[-1]) for t in state.trials.values() if t.epochs]
    rows = [last for last in lasts if last[2].gpu]
    if not rows:
        return []
    _, number, row = max(rows, key=lambda item: item[0])
    gpu = row.gpu or {}
    p10, p50, p90 = (fixed(gpu.get(key), 0) for key in ("p10", "p50", "p90"))
    return [f"trial {number} epoch {row.epoch}: p10 {p10}  p50 {p50}  p90 {p90} %, "
            f"{figure(gpu.get('n'))} samples"]  # fmt: skip


def _cpu(machine: Machine, width: int) -> Content:
    left = f" cpu {machine.cpu:3.0f} % of {machine.cores} cores  "
    right = (f"  load {machine.load:.1f}  mem {_gib(machine.mem_used)}/"
             f"{_gib(machine.mem_total)} GiB")  # fmt: skip
    room = max(0, width - len(left) - len(right) - 1)
    bars = spark(machine.history, min(60, room)).rjust(room)
    return line(left, (bars, "$text-primary"), right)


def _running(machine: Machine, width: int, room: int) -> list[Content]:
    """The run's processes, as a tree where there is room."""
    if not machine.processes or room <= 0:
        return []
    if room <= 4:
        return _pairs(machine, width, room)
    head = (f" {'process':18} {'pid':>8} {'cpu %':>6} {'memory':>10} {'threads':>7} "
            f"{'read/s':>9} {'write/s':>9}")  # fmt: skip
    shown = machine.processes[: room - 1]
    return [line((cut(head, width), "$text-muted")), *(_process(each, width) for each in shown)]


def _pairs(machine: Machine, width: int, room: int) -> list[Content]:
    """Processes side by side where there are few lines."""
    half = (width - 2) // 2
    role = max(1, min(10, half - 16))
    texts = [f"{cut(p.role, role):{role}} {p.cpu:4.0f} % {_gib(p.rss)} GiB"
             for p in machine.processes]  # fmt: skip
    lines = []
    for i in range(0, min(len(texts), 2 * room), 2):
        pair = "  ".join(cut(text, half - 1).ljust(half - 1) for text in texts[i : i + 2])
        lines.append(line((f" {pair}", "$text-muted")))
    return lines


def _process(process: Process, width: int) -> Content:
    role = " " * process.depth + cut(process.role, 18 - process.depth)
    text = (
        f" {role:18} {process.pid:8} {process.cpu:6.0f} {size(process.rss):>10} "
        f"{process.threads:7} {_rate(process.read):>9} {_rate(process.written):>9}"
    )
    return Content(cut(text, width))


def spark(values: Sequence[float], width: int) -> str:
    """The newest values, 0 to 100, as bars; the newest on the right."""
    shown = values[-width:] if width else ()
    bars = "".join(_BARS[min(7, max(0, int(value / 12.5)))] for value in shown)
    return bars.rjust(width)


def _memory(gpu: GpuNow) -> str:
    return f"{_gib(gpu.mem_used)}/{_gib(gpu.mem_total)} GiB"


def _gib(count: float | None) -> str:
    return MISSING if count is None else f"{count / 2**30:.1f}"


def _rate(count: float | None) -> str:
    return MISSING if count is None else size(int(max(0.0, count)))
