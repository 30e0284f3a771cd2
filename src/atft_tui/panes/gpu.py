"""GPU utilisation, memory, power; where there is no GPU to ask, what the processes do."""

from __future__ import annotations

from textual.content import Content

from atft_core.run.state import State
from atft_core.run.wording import MISSING, fixed, size
from atft_tui.format import cut, figure, line
from atft_tui.machine import GpuNow, Machine, Process
from atft_tui.pane import Pane, Row
from atft_tui.view import View

_BARS = "▁▂▃▄▅▆▇█"


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
        look = self.machine
        of_run = view.live and (look is None or look.of_run or not look.gpus)
        return "1 GPU", "" if of_run else "sampled by the console: not evidence"

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """One line, or the whole picture."""
        machine = self.machine
        if machine is None:
            return [Row(line((" looking at the machine ...", "$text-muted")))]
        if height == 1:
            return [Row(compact(machine, width))]
        return [Row(content) for content in full(machine, view, width, height)]


def compact(machine: Machine, width: int) -> Content:
    """Everything that matters in one line."""
    parts: list[str | tuple[str, str]] = [" "]
    for gpu in machine.gpus:
        heat = f" {fixed(gpu.temperature, 0)} C" if gpu.temperature is not None else ""
        busy = f"GPU {gpu.index} {fixed(gpu.sm, 0, 3)} %"
        parts.append(f"{busy}  {_memory(gpu)}  {fixed(gpu.power, 0)} W{heat}  ")
    if not machine.gpus:
        parts += [("no NVML", "$text-warning"), "  "]
    parts.append(f"cpu {machine.cpu:3.0f} % of {machine.cores}  ")
    parts.append(f"mem {_gib(machine.mem_used)}/{_gib(machine.mem_total)} GiB")
    for process in machine.processes[:3]:
        parts.append(("  " + process.role + f" {process.cpu:.0f} %", "$text-muted"))
    text = line(*parts)
    return text if text.cell_length <= width else text.truncate(width, ellipsis=True)


def full(machine: Machine, view: View, width: int, height: int) -> list[Content]:
    """GPUs, the last epoch's evidence, the machine, its processes."""
    lines = [_gpu(gpu, width) for gpu in machine.gpus]
    if not machine.gpus:
        lines += _missing(machine, view, width, zoomed=height > 6)
    lines += [line((cut(f" {text}", width), "$text-muted")) for text in _evidence(view.state)]
    lines.append(_cpu(machine, width))
    room = height - len(lines)
    if machine.processes and room > 0:
        shown = machine.processes[: room if room > 4 else 2 * room]
        if room > 4:
            lines.append(line((f" {'process':16} {'pid':>8} {'cpu %':>6} {'memory':>10} threads",
                               "$text-muted")))  # fmt: skip
            lines += [_process(process) for process in shown]
        else:
            lines += _pairs(machine, width, room)
    return lines


def _missing(machine: Machine, view: View, width: int, *, zoomed: bool) -> list[Content]:
    """That no GPU can be asked, what follows, and why where there is room."""
    wanted = any(result.name == "gpu_utilisation" for result in view.results)
    follows = ": GPU criteria stay ??" if wanted else "; no criterion needs one"
    style = "$text-warning" if wanted else "$text-muted"
    lines = [line((f" no GPU can be read here{follows}", style))]
    if zoomed:
        lines.append(line((cut(f" {machine.reason}", width), "$text-muted")))
    return lines


def _gpu(gpu: GpuNow, width: int) -> Content:
    name = gpu.name.replace("NVIDIA ", "")
    left = f" {gpu.index} {cut(name, 14):14} sm "
    right = f" {_memory(gpu)}  {fixed(gpu.power, 0)} W  {fixed(gpu.temperature, 0)} C"
    bars = spark(gpu.history, max(0, min(60, width - len(left) - len(right) - 8)))
    return line((left, "$text-muted"), f"{fixed(gpu.sm, 0, 3)} %  ", (bars, "$text-success"), right)


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
    bars = spark(machine.history, max(0, min(60, width - len(left) - len(right) - 1)))
    return line(left, (bars, "$text-primary"), right)


def _pairs(machine: Machine, width: int, room: int) -> list[Content]:
    """Processes side by side where there are few lines."""
    texts = [f"{cut(p.role, 10):10} {p.cpu:4.0f} % {_gib(p.rss):>4} GiB" for p in machine.processes]
    lines = []
    half = (width - 2) // 2
    for i in range(0, min(len(texts), 2 * room), 2):
        pair = "  ".join(cut(text, half - 1).ljust(half - 1) for text in texts[i : i + 2])
        lines.append(line((f" {pair}", "$text-muted")))
    return lines


def _process(process: Process) -> Content:
    return Content(
        f" {cut(process.role, 16):16} {process.pid:8} {process.cpu:6.0f} "
        f"{size(process.rss):>10} {process.threads:7}"
    )


def spark(values: tuple[float, ...], width: int) -> str:
    """The newest values, 0 to 100, as bars; the newest on the right."""
    shown = values[-width:] if width else ()
    bars = "".join(_BARS[min(7, max(0, int(value / 12.5)))] for value in shown)
    return bars.rjust(width)


def _memory(gpu: GpuNow) -> str:
    return f"{_gib(gpu.mem_used)}/{_gib(gpu.mem_total)} GiB"


def _gib(count: float | None) -> str:
    return MISSING if count is None else f"{count / 2**30:.1f}"
