"""Before a start: on which data, at what cost, with which settings, through which gate.

What is shown is the answer of `atft run STAGE --plan --json`, so it is what the engine would do,
not what the console believes.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Input

from atft_core import launch
from atft_core.run.foreign import clean
from atft_core.run.stages import Stage
from atft_tui.bindings import bindings
from atft_tui.format import line
from atft_tui.pane import Pane, Row
from atft_tui.plan import command_rows, plan_rows
from atft_tui.screens.live import Footer, LiveScreen
from atft_tui.screens.start_fields import SettingSuggester, fields
from atft_tui.view import View


class PlanPane(Pane):
    """The plan, or that it is being read, or what is wrong with it."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(id="plan", focus=True)
        self.stage = stage
        self.plan: dict[str, Any] | None = None
        self.complaint: list[str] = []
        self.state = ""
        self.command = ""
        self.resume = False

    def action_choose(self) -> None:
        """Enter means the plan as a whole, whatever line of it is looked at."""
        self.post_message(self.Chosen(self, ""))

    def captions(self, view: View) -> tuple[str, str]:
        """What is about to be started."""
        return f"Start: {clean(self.stage.title, 40)}", self.state

    def rows(self, view: View, width: int, height: int) -> list[Row]:
        """The plan in the order in which it is questioned."""
        if self.plan is None and not self.complaint:
            about = " reading the panel and its plan (the first time also builds the cache) ..."
            return [Row(line((about, "$text-muted")))]
        contents = plan_rows(self.plan, width, resume=self.resume) if self.plan else []
        wrapped = (piece for text in self.complaint for piece in textwrap.wrap(text, width - 2))
        contents += [line((f" {piece}", "$text-error")) for piece in wrapped]
        contents += command_rows(self.command, width)
        return [Row(content) for content in contents]


class ConfirmScreen(LiveScreen[Path | None]):
    """Answers with the run directory, or None when nothing was started."""

    SCOPE = "confirm"
    BINDINGS: ClassVar[list[BindingType]] = bindings("confirm")

    def __init__(
        self, stage: Stage, options: Sequence[str], values: Sequence[str] = (), *,
        overrides: bool = False,
    ) -> None:  # fmt: skip
        """`options` are those of the console itself; `values` a remedy's key=value pairs.

        `overrides`: ask for a reason as soon as the gate turns out to be closed.
        """
        super().__init__()
        self._options = list(options)
        self._values = list(values)
        self._pane = PlanPane(stage)
        self._stage = stage
        self._overrides = overrides
        self._queue = {"then": "", "until": ""}
        self._suggester = SettingSuggester()
        self._busy = False

    def body(self) -> Iterable[Widget]:
        """The plan and what can be typed."""
        with Vertical(id="confirm"):
            yield self._pane
            yield from fields(shlex.join(self._values), self._suggester)

    def on_mount(self) -> None:
        """Ask for the plan at once."""
        super().on_mount()
        self.query("#override-field").set(display=False)
        self._pane.focus()
        self.run_worker(self._read_plan(), exclusive=True)

    # What would be run.

    def _typed(self, field: str) -> str:
        return self.query_one(f"#{field}", Input).value.strip()

    @property
    def _reason(self) -> str:
        return self._typed("override")

    @property
    def _locked(self) -> bool:
        plan = self._pane.plan
        return bool(plan) and not self._pane.resume and not dict(plan or {})["gate"]["open"]

    def _arguments(self, *, override: bool) -> list[str]:
        if self._pane.resume and self._pane.plan:
            return ["resume", str(self._pane.plan["stopped_run"])]
        words = ["run", self._stage.key, *self._kept_options()]
        for pair in self._values:
            words += ["--set", pair]
        for name, value in self._queue.items():
            words += [f"--{name}", value] if value else []
        return words + (["--override-gate", self._reason] if override and self._reason else [])

    def _kept_options(self) -> list[str]:
        """The console's own options; a panel that is typed here takes the place of theirs."""
        if not any(value.startswith("data.path=") for value in self._values):
            return self._options
        given = [*self._options]
        while "--data-path" in given:
            at = given.index("--data-path")
            del given[at : at + 2]
        return given

    def _say(self, state: str) -> None:
        self._pane.state = state
        self._pane.command = launch.shown(*self._arguments(override=self._locked), "--detach")
        self._pane.draw()
        plan = self._pane.plan or {}
        if plan:  # while it is read again, what is being typed stays where it is
            self.query("#override-field").set(display=self._locked)
        useful = {"start": bool(plan), "renew": bool(plan.get("stopped_run")),
                  "override": self._locked}  # fmt: skip
        for footer in self.query(Footer):
            footer.without = {action for action, is_useful in useful.items() if not is_useful}
            footer.draw()

    async def _read_plan(self) -> None:
        self._pane.plan, self._pane.complaint, self._pane.resume = None, [], False
        self._say("reading ...")
        arguments = [*self._arguments(override=False), "--plan", "--json"]
        outcome = await self.console.run_command(arguments, looks=True)
        plan = outcome.json()
        if outcome.ok and plan:
            self._pane.plan = plan
            # What is typed here is for a new run: a stopped one goes on with its own.
            typed = self._values or any(self._queue.values())
            self._pane.resume = bool(plan.get("stopped_run")) and not typed
            self._suggester.learn(plan)
        else:
            self._pane.complaint = outcome.complaint
        self._say_ready()
        if self._overrides:
            self.action_override()

    def _say_ready(self) -> None:
        if self._pane.plan is None:
            self._say("cannot start")
        elif self._locked and not self._reason:
            self._say("locked: type a reason (o)")
        else:
            self._say("y starts")

    # Keys.

    @on(Pane.Chosen)
    def start_it(self) -> None:
        """Enter on the plan."""
        self.action_start()

    def action_start(self) -> None:
        """Start, if there is something to start and no reason against it."""
        if self._busy or self._not_yet():
            return
        if self._take_typed() is not False:
            said = "what was typed changes the plan: look at it first"
            self.app.notify(said, severity="warning", markup=False)
            return
        if self._locked and not self._reason:
            self.action_override()
            return
        self.run_worker(self._start(), exclusive=True)

    def _not_yet(self) -> bool:
        """Whether there is no plan to act on, which is then said."""
        if self._pane.plan is None:
            reading = not self._pane.complaint
            said = (
                "still reading the panel: press y again once it is shown"
                if reading
                else "there is no plan: see what is wrong"
            )
            self.app.notify(said, severity="warning", markup=False)
        return self._pane.plan is None

    async def _start(self) -> None:
        self._busy = True
        self._say("starting ...")
        arguments = [*self._arguments(override=self._locked), "--detach", "--json"]
        outcome = await self.console.run_command(arguments)
        self._busy = False
        run_dir = outcome.json().get("run_dir")
        if outcome.ok and run_dir:
            self.dismiss(Path(str(run_dir)))
            return
        self._pane.complaint = outcome.complaint
        self._say("not started")

    def action_edit(self) -> None:
        """Type settings."""
        self.query("#settings").focus()

    def action_override(self) -> None:
        """Type a reason, where one is needed."""
        if not self._not_yet() and self._locked:
            self.query("#override").focus()

    def action_follow(self) -> None:
        """Type which stage follows."""
        self.query("#then").focus()

    def action_limit(self) -> None:
        """Type a deadline."""
        self.query("#until").focus()

    def action_renew(self) -> None:
        """Continue the stopped run, or begin a new one."""
        if not self._not_yet() and dict(self._pane.plan or {}).get("stopped_run"):
            self._pane.resume = not self._pane.resume
            self._say_ready()

    def action_cancel(self) -> None:
        """Out of an input line first, then back."""
        if isinstance(self.focused, Input):
            self._pane.focus()
        elif not self._busy:
            self.dismiss(None)

    @on(Input.Submitted, "#settings")
    @on(Input.Submitted, "#then")
    @on(Input.Submitted, "#until")
    def _submit(self, event: Input.Submitted) -> None:
        if self._take_typed() is not None:
            self._pane.focus()

    def _take_typed(self) -> bool | None:
        """Read the plan again if something else is typed now; None when it cannot be taken."""
        try:
            values = shlex.split(self._typed("settings"))
        except ValueError as error:
            self._pane.complaint = [clean(f"settings: {error}")]
            self._pane.draw()
            return None
        queue = {name: self._typed(name) for name in self._queue}
        changed = (values, queue) != (self._values, self._queue)
        if changed:
            self._values, self._queue = values, queue
            self.run_worker(self._read_plan(), exclusive=True)
        return changed

    @on(Input.Submitted, "#override")
    def _give_reason(self, event: Input.Submitted) -> None:
        self._pane.focus()
        self._say_ready()
