"""What an engine holds while it is at work: lock, event log, state, study, GPU sampler."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType

from optuna.distributions import BaseDistribution
from optuna.study import Study

from atft_core.config.schema import Config
from atft_core.engine.cards import MeasuredCards
from atft_core.engine.keep import Predictions
from atft_core.engine.local import Local
from atft_core.engine.outcome import End
from atft_core.engine.paced import Paced
from atft_core.engine.programs import Programs, programs_of
from atft_core.engine.rebuild import why_unlike
from atft_core.engine.reserve import Reserve
from atft_core.engine.shared import ask_shared, open_shared, own_trials
from atft_core.engine.slots import Slots, cores, plan_slots
from atft_core.engine.space import distributions
from atft_core.engine.study import Asked, ask, close_study, copy_study, open_study
from atft_core.engine.workers import Executor
from atft_core.errors import EngineError
from atft_core.gpu import GpuSampler, GpuSpan
from atft_core.gpu.lines import span_of_lines
from atft_core.notify.message import message
from atft_core.notify.outbox import Outbox
from atft_core.notify.settings import Loaded, load_or_default
from atft_core.run import events as ev
from atft_core.run import snapshot
from atft_core.run.directory import RunDirectory
from atft_core.run.events import Event, Stamped
from atft_core.run.files import open_to_write, remove_leftovers
from atft_core.run.fold import apply
from atft_core.run.gauge import Gauge
from atft_core.run.journal import Journal, Tail, read_events
from atft_core.run.lock import EngineLock
from atft_core.run.narrate import lines, stamp
from atft_core.run.processes.alive import start_time
from atft_core.run.stages import RuleSpec, Stage, stage_from_json
from atft_core.run.state import State, Trial

SNAPSHOT_SECONDS = 60.0
"""Between two snapshots while nothing ends."""


@dataclass
class Session:
    """Owns the run directory from construction to `close`; raises RunBusyError when it cannot."""

    run: RunDirectory
    config: Config
    lock: EngineLock
    state: State = field(default_factory=State)
    """What its log says so far, where that has been read."""
    programs: Programs = field(default_factory=Programs)
    drained: dict[int, Tail] = field(default_factory=dict)
    gauges: dict[str, Gauge] = field(default_factory=dict)
    """What is watched beside the trials, by the alert's key."""
    ends: dict[int, End] = field(default_factory=dict)
    """Of trials whose attempt the engine is ending: why."""
    looked: dict[str, float] = field(default_factory=dict)
    """When that was looked at last, on the monotonic clock."""
    executor: Executor = field(init=False)
    deadline: float | None = None
    signalled: bool = False

    def __post_init__(self) -> None:
        self.programs = programs_of(self.config, self.programs)
        self.run.log.parent.mkdir(exist_ok=True)
        fresh = not self.run.log.exists()
        for stamped in () if self.state.seq else read_events(self.run.events):
            apply(self.state, stamped)
            if not self.state.engines and fresh:  # what was written before there was an engine
                self._tell(stamped)
        self.journal = Journal(self.run.events)
        self.sampler = GpuSampler(self.run.gpu)
        self.reserve = Reserve(self.run.path)
        self.outbox = Outbox()
        self._lay_out()
        self._complaint = ""
        self._study: Study | None = None
        self.snapshot = Paced(self._save_snapshot)
        self.copy = Paced(self._copy_study)
        self.predictions = Predictions(self.run, self.config.engine.keep_predictions)

    def __enter__(self) -> Session:
        remove_leftovers(self.run.path)
        self.sampler.start()
        if self.config.engine.executor == "ray":
            from atft_core.engine.cluster.executor import Cluster  # an extra

            self.executor = Cluster(
                self.run, self.config, self.programs.worker, on_gpu=self.state.on_gpu
            )
        else:
            self._lay_out()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sampler.stop()
        self.executor.close()
        with suppress(OSError):  # a full disk has its last words already
            self.reserve.release()
            for text in self.outbox.close():
                self.record(ev.Alert(key="notify", text=text))
        self.snapshot.now()
        with suppress(OSError):
            remove_leftovers(self.run.path)  # of programs that were killed
        self.journal.close()
        self.lock.release()

    def _lay_out(self) -> None:
        """Slots by the GPUs that there are, where trials run on this machine."""
        places = plan_slots(self.config, self.sampler.visible, cores())
        slots = Slots(places, MeasuredCards(self.state, self.sampler))
        self.executor = Local(self.run, self.programs.worker, slots)

    @property
    def slots(self) -> Slots:
        """Where workers compute at once."""
        return self.executor.slots

    @property
    def study(self) -> Study:
        """The Optuna study, opened on first use: importing it is not free."""
        if self._study is None:
            self._study = self._opened()
        return self._study

    def _opened(self) -> Study:
        if not self.config.engine.storage:
            return open_study(self.run, self.config, trials_known=len(self.state.trials))
        study = open_shared(self.config, self.state.identity)
        if why := why_unlike(own_trials(study, self.run), self.state):
            close_study(study)
            raise EngineError(
                f"The study in the database is not the one that the event log speaks of: {why}.",
                hint="Start a new run: this one cannot be continued truthfully.",
            )
        return study

    def ask(self, number: int) -> Asked:
        """The trial of that number, as the study has it by now."""
        seed = self.config.train.seed
        if self.config.engine.storage:
            return Asked(number, ask_shared(self.study, self.run, number, seed, self.space))
        return Asked(number, ask(self.study, number, seed, self.space))

    @cached_property
    def space(self) -> dict[str, BaseDistribution]:
        """From what the parameters of trials are drawn."""
        return distributions(self.config)

    def gpu_window(self, trial: Trial, t0: float, t1: float) -> GpuSpan | None:
        """The GPU of a trial between two moments, by whoever sampled it."""
        if trial.node:
            return span_of_lines(self.run.trial(trial.number).gpu, t0, t1)
        if self.state.nodes:  # on one of them, nobody knows which
            return None
        return self.sampler.window(t0, t1, str(trial.settings.get("gpu", "")))

    def note_phase(self, trial: Trial, phase: str) -> None:
        """What a trial does from now on, for the samples of its GPU; nothing: it is gone."""
        here = not self.state.nodes and trial.settings.get("device") != "cpu"
        self.sampler.note(trial.number, phase if here else "", str(trial.settings.get("gpu", "")))

    def record(self, event: Event) -> None:
        """Write an event, believe it, wait for the disk, and tell people about it.

        It is believed as soon as it is written: the log has it, even where the disk fails then.
        """
        stamped, told = (
            self.reserve.write(lambda: self.journal.write(event)),
            len(self.state.alerts),
        )
        apply(self.state, stamped)
        try:
            if event.durable:
                self.reserve.write(self.journal.sync)
        finally:
            self._tell(stamped)
            if len(self.state.alerts) > told:
                self._hand_over(told)
        if self.snapshot.seconds > SNAPSHOT_SECONDS:
            self.snapshot.renew()

    def _tell(self, stamped: Stamped) -> None:
        told = lines(self.state, stamped)
        text = "".join(f"{stamp(stamped.t)} {line}\n" for line in told)
        with suppress(OSError), open_to_write(self.run.log, append=True) as log:  # may be full, too
            log.write(text.encode(errors="replace"))

    def _hand_over(self, told: int) -> None:
        """Let the alerts after the first `told` be sent; the file may have changed since."""
        news = self.state.alerts[told:]
        messages = [message(alert, self.state, self.run) for alert in news]
        self.outbox.put(self.notified(), messages)

    def notified(self) -> Loaded:
        """What is to be told where, by now; what is wrong with that is told once."""
        loaded, complaint = load_or_default()
        known, self._complaint = self._complaint, complaint
        if complaint and complaint != known:
            self.record(ev.Alert(key="notify", text=complaint))
        return loaded

    def _save_snapshot(self) -> None:
        """Let the next reader start from here instead of from the beginning; disposable."""
        with suppress(OSError, ValueError):  # a full disk; text that is no Unicode: the log has it
            snapshot.save(self.run, self.state)

    def _copy_study(self) -> None:
        """A copy for other tools; that it cannot be made is told, and ends nothing."""
        if self.config.engine.storage or not self.run.study.exists():
            return  # a server answers other tools by itself
        try:
            copy_study(self.run)
        except (OSError, sqlite3.Error) as error:
            text = f"{self.run.study_snapshot.name} is not up to date: {error}"
            self.record(ev.Alert(level="warning", text=text))

    def announce(self, code: str) -> None:
        """Say which process is the engine now, and which version of the code it runs.

        An engine that says so has room kept aside: else a disk that fills in its first second would
        silence it, and nobody would know that it waits.
        """
        self.reserve.keep()
        pid, started_by = os.getpid(), self.state.identity.get("code", code)
        self.record(
            ev.EngineStarted(
                pid=pid, start_time=start_time(pid), host=socket.gethostname(), code=code
            )
        )
        if code not in started_by:
            text = f"resumed by version {code} of the code, started by {started_by}"
            self.record(ev.Alert(level="warning", text=text))

    @property
    def rules(self) -> tuple[RuleSpec, ...]:
        """The decision rules of the run's stage; an `atft hpo` run has none."""
        stage = self.stage  # read from the log's JSON each time
        return stage.rules if stage else ()

    @property
    def stage(self) -> Stage | None:
        """The run's stage; an `atft hpo` run has none."""
        spec = self.state.stage_spec
        return stage_from_json(spec, self.run.path) if spec else None

    def forget(self) -> None:
        """Let the next step read the study and the trials' lines as an engine does that begins."""
        self.drained.clear()
        self.predictions = Predictions(self.run, self.config.engine.keep_predictions)
        if self._study is not None:
            close_study(self._study)
            self._study = None

    @property
    def why_end(self) -> str:
        """Why the run must end, as soon as it can; empty when it need not."""
        if self.signalled:
            return "the engine was asked to end by a signal"
        if self.state.stop == "now":
            return "stopped on request"
        if self.deadline is not None and time.time() >= self.deadline:
            return "the time budget is used up"
        return ""

    @property
    def why_interrupt(self) -> str:
        """Why the running trial must be interrupted; empty when it need not."""
        full = f"the disk of {self.run.path} is full"
        return self.why_end or (full if self.reserve.disk_is_full() else "")

    @property
    def why_no_further(self) -> str:
        """Why no further trial may start; empty when one may."""
        if self.state.stop == "after":
            return "stopped on request after the running trial"
        return self.why_end
