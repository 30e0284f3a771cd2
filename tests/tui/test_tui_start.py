"""From the hotkey to a run on disk: the confirm shows what `atft run --plan` says."""

import json
import subprocess
import sys
import time

import pytest
from textual.widgets import Input
from tui_console import SMALL, WIDE, console, every_size

from atft_core.run.directory import RunDirectory
from atft_core.run.runbook import load
from atft_core.run.status import read_status

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
RUNBOOK = """
name = "tiny"
demo = true
[profile]
gpu = "stall_share"
[config.model]
hidden = 16
heads = 2
lookback = 10
[config.train]
block_days = 8
threads = 1
device = "cpu"
[config.split]
warmup = 20
[config.objective]
lightgbm = "off"
[config.search]
"""
STAGE = """
[[stage]]
key = "{key}"
title = "{title}"
hotkey = "{hotkey}"
study_name = "tiny_{key}"
output_dir = "output/{key}"
n_trials = 1
max_epochs = 1
requires = "{requires}"
criteria = [{{ name = "val_rank_ic", horizon = 1, minimum = 0.99 }}]
[[stage.remedies]]
title = "more epochs"
text = "One epoch is not much."
values = {{ "train.max_epochs" = 3 }}
"""


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    """A small panel; its cache is shared by the tests of this file."""
    path = tmp_path_factory.mktemp("panel") / "panel.parquet"
    command = [sys.executable, "-m", "atft_core", "synth", path, "--stocks", "60", "--days", "360"]
    subprocess.run(command, check=True, capture_output=True)
    return path


@pytest.fixture
def tiny(home):
    """Two stages of one trial and one epoch; the criterion of the first cannot be met."""
    dry = STAGE.format(key="dry", title="dry run", hotkey="d", requires="")
    short = STAGE.format(key="short", title="short sweep", hotkey="s", requires="dry")
    (home / "runbook.toml").write_text(RUNBOOK + dry + short)
    return load(home / "runbook.toml")


@pytest.fixture
def options(panel, tiny):
    return ["--runbook", str(tiny.path), "--data-path", str(panel)]


async def planned(shown, key="d"):
    """Press a stage's key and wait for its plan."""
    await shown.press(key)
    assert shown.screen == "ConfirmScreen"
    await plan_is_read(shown)


async def plan_is_read(shown):
    await shown.until(lambda: shown.pane("plan").plan, seconds=120)


def command_of(shown):
    """The command that the confirm shows, on one line."""
    text = shown.pane("plan").text
    return " ".join(text[text.index(" $ ") + 3 :].split())


@every_size
async def test_the_confirm_shows_data_cost_settings_and_command(tiny, panel, options, size):
    async with console(tiny, size=size, options=options) as shown:
        await planned(shown)
        plan = shown.pane("plan").plan
        said = " ".join(shown.pane("plan").text.split())
        assert plan["data"]["path"] == str(panel)
        assert panel.name in said
        assert plan["data"]["hash"][:60] in said.replace(" ", "")
        assert f"{plan['data']['rows']:,} rows" in said
        for name in ("train", "val", "holdout"):
            assert " .. ".join(plan["split"][name]) in said
            assert f"{plan['split'][f'{name}_days']} days" in said
        assert "purged between: 20 days" in said
        assert "1 trial x 1 epoch, time not known yet, disk" in said
        assert "ok open: no stage comes before it" in said
        assert "model.hidden" in said
        assert "(runbook.toml)" in said
        words = ["atft", "run", "dry", *options, "--detach"]
        assert command_of(shown).replace(" ", "") == "".join(words), "long paths are wrapped"
        assert "y enter start" in shown.text
        await shown.press("escape")
        assert shown.screen == "ConsoleScreen"
    assert not list(tiny.path.parent.glob("output/*"))


async def test_the_confirm_shows_what_the_command_line_says(tiny, options):
    async with console(tiny, size=WIDE, options=options) as shown:
        await planned(shown)
        plan = shown.pane("plan").plan
    command = [sys.executable, "-m", "atft_core", "run", "dry", *options, "--plan", "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    same = json.loads(done.stdout) | {"disk_free": plan["disk_free"]}
    assert plan == same


async def test_an_edited_setting_changes_plan_and_command(tiny, options):
    async with console(tiny, size=WIDE, options=options) as shown:
        await planned(shown)
        await shown.press("e")
        await shown.type("train.max_epochs=3 model.hidden=32")
        await shown.press("enter")
        await plan_is_read(shown)
        await shown.until(lambda: "1 trial x 3 epochs" in shown.text)
        assert "(--set)" in shown.text
        end = "--set train.max_epochs=3 --set model.hidden=32 --detach"
        assert command_of(shown).endswith(end)


async def typed(shown, key, text):
    """Press a key, put this into its field, and wait for what the plan says then."""
    await shown.press(key)
    shown.app.focused.value = text
    shown.pane("plan").plan, shown.pane("plan").complaint = None, []
    await shown.press("enter")
    pane = shown.pane("plan")
    await shown.until(lambda: pane.state and not pane.state.startswith("reading"), seconds=120)


@every_size
async def test_what_follows_and_a_deadline_are_typed_and_checked(tiny, options, size):
    async with console(tiny, size=size, options=options) as shown:
        await planned(shown)
        await typed(shown, "t", "short")
        assert command_of(shown).endswith("--then short --detach")
        await typed(shown, "u", "25:00")
        assert "cannot start" in shown.said("plan")
        assert "--until '25:00' is no time." in shown.said("plan")
        assert "Write 07:00" in shown.said("plan")
        await shown.press("enter")
        assert "there is no plan: see what is wrong" in shown.notices()
        await typed(shown, "u", "07:00")
        assert command_of(shown).endswith("--then short --until 07:00 --detach")
        assert "y starts" in shown.said("plan")
        await typed(shown, "t", "dry")
        assert "--then dry is the stage itself" in shown.said("plan")
        assert shown.app.screen.query_one("#until", Input).value == "07:00", "kept"
        await typed(shown, "t", "")
        assert command_of(shown).endswith("--until 07:00 --detach")


async def test_panel_loss_and_search_are_edited_before_a_start(tiny, options, panel, home):
    other = home / "other panel.parquet"
    other.write_bytes(panel.read_bytes())
    async with console(tiny, size=WIDE, options=options) as shown:
        await planned(shown)
        words = f"'data.path={other}' loss.spearman=0.1 search.model.dropout=0.2..0.5"
        await typed(shown, "e", words)
        assert shown.pane("plan").plan["data"]["path"] == str(other)
        assert "--data-path" not in command_of(shown), "a flag would win over the setting"
        assert "search   model.dropout=0.2..0.5" in shown.said("plan")
        assert shown.pane("plan").plan["settings"]["loss.spearman"] == [0.1, "--set"]
        await typed(shown, "e", "loss.spearman=much")
        assert "loss.spearman = 'much'" in shown.said("plan")
        assert shown.app.screen.query_one("#settings", Input).value == "loss.spearman=much"


async def test_a_value_that_is_set_now_is_offered_to_be_changed(tiny, options):
    async with console(tiny, size=WIDE, options=options) as shown:
        await planned(shown)
        await shown.press("e")
        await shown.type("train.seed=1 model.hid")
        field = shown.app.screen.query_one("#settings", Input)
        await shown.until(lambda: field._suggestion)
        await shown.press("right")
        assert field.value == "train.seed=1 model.hidden=16"


async def test_a_start_waits_for_its_plan_and_for_what_was_typed(tiny, options, home):
    async with console(tiny, size=WIDE, options=options) as shown:
        await shown.press("d")
        await shown.press("y", "o", "n")
        assert shown.notices() == ["still reading the panel: press y again once it is shown"] * 3
        await plan_is_read(shown)
        await shown.press("e")
        await shown.type("train.seed=7")
        await shown.press("escape", "y")
        assert "what was typed changes the plan: look at it first" in shown.notices()
        await plan_is_read(shown)
        assert command_of(shown).endswith("--set train.seed=7 --detach")
        assert shown.screen == "ConfirmScreen"
    assert not list(home.glob("output/*"))


async def test_a_setting_that_does_not_exist_is_refused_with_a_hint(tiny, options):
    async with console(tiny, size=WIDE, options=options) as shown:
        await planned(shown)
        await shown.press("e")
        shown.app.screen.query_one("#settings", Input).value = "train.max_epoch=3"
        await shown.press("enter")
        await shown.shows("cannot start", seconds=120)
        assert "train.max_epochs" in shown.text, "the nearest key is offered"
        await shown.press("y")
        await shown.press("e")
        shown.app.screen.query_one("#settings", Input).value = "a='b"
        await shown.press("enter")
        await shown.shows("No closing quotation")
        assert shown.screen == "ConfirmScreen"
    assert not list(tiny.path.parent.glob("output/*"))


async def test_a_panel_that_is_not_there_cannot_be_started(tiny, home):
    options = ["--runbook", str(tiny.path), "--data-path", str(home / "nowhere.parquet")]
    async with console(tiny, size=SMALL, options=options) as shown:
        await shown.press("d")
        await shown.shows("cannot start", seconds=120)
        assert "nowhere.parquet" in shown.text
        assert "Traceback" not in shown.text
        await shown.press("y", "enter")
        assert shown.screen == "ConfirmScreen"
    assert not list(home.glob("output/*"))


async def test_a_start_that_can_no_longer_be_read_cannot_be_confirmed(tiny, options, home):
    async with console(tiny, size=SMALL, options=options) as shown:
        await planned(shown)
        await shown.pilot.resize_terminal(79, 20)
        await shown.press("y", "enter")
        assert "too small" in shown.text
        await shown.press("escape")
        assert shown.screen == "ConsoleScreen"
    assert not list(home.glob("output/*"))


async def test_a_closed_gate_needs_a_reason(tiny, options):
    async with console(tiny, size=WIDE, options=options) as shown:
        await planned(shown, "s")
        assert "-- locked: no run of 'dry run' counts" in shown.text
        assert "locked: type a reason (o)" in shown.text
        await shown.press("y")
        assert isinstance(shown.app.focused, Input), "y asks for the reason instead"
        assert shown.app.focused.id == "override"
        await shown.press("enter")
        assert "locked: type a reason (o)" in shown.text, "an empty reason is none"
        await shown.press("o")
        await shown.type("a test")
        await shown.press("enter")
        assert "y starts" in shown.text
        assert command_of(shown).endswith("--override-gate 'a test' --detach")
    assert not list(tiny.path.parent.glob("output/*"))


async def test_o_on_the_checklist_asks_at_once_for_a_reason(tiny, options):
    async with console(tiny, size=SMALL, options=options) as shown:
        shown.pane("checklist").focus()
        await shown.press("o")
        await plan_is_read(shown)
        assert "Start: short sweep" in shown.said("plan")
        await shown.until(lambda: isinstance(shown.app.focused, Input))
        assert shown.app.focused.id == "override"
        await shown.type("vendor late")
        await shown.press("enter")
        assert command_of(shown).endswith("--override-gate 'vendor late' --detach")


async def test_an_open_gate_asks_for_no_reason(tiny, options):
    async with console(tiny, size=WIDE, options=options) as shown:
        await planned(shown)
        assert not shown.app.screen.query_one("#override-field").display
        await shown.press("o")
        assert not isinstance(shown.app.focused, Input)


async def test_a_start_makes_a_run_and_the_next_one_another(tiny, options, home):
    async with console(tiny, size=WIDE, options=options) as shown:
        await planned(shown)
        await shown.press("y")
        await shown.until(lambda: shown.screen == "ConsoleScreen", seconds=120)
        first = RunDirectory(home / "output" / "dry")
        assert first.run_json.exists()
        await shown.shows("output/dry ")
        await shown.until(lambda: "FINISHED" in shown.drawn("stages")[0], seconds=240)
        await shown.shows("d dry run  XX 0 of 1 criteria")
        await shown.shows("s short sweep  -- 1 open row in dry run")
        await remedy_is_offered(shown)
        await planned(shown)
        assert "about " in shown.text, "the first run says how long it takes"
        await shown.press("y")
        await shown.until(lambda: shown.screen == "ConsoleScreen", seconds=120)
        second = RunDirectory(home / "output" / "dry.2")
        assert second.run_json.exists()
        await shown.shows("output/dry.2")
        await shown.until(lambda: shown.app.view.live)
        await shown.press("X", "y")
        await shown.until(lambda: "STOPPED" in shown.drawn("stages")[0], seconds=120)
        await stopped_run_can_be_resumed(shown, second)
    assert read_status(first)[1].name == "FINISHED"
    wait_until_free(second)


async def remedy_is_offered(shown):
    """Enter on the failed criterion, enter on its remedy: a start with that setting."""
    shown.pane("checklist").focus()
    await shown.press("enter")
    assert "XX FAIL" in shown.text
    assert "more epochs  train.max_epochs=3" in shown.text
    await shown.press("enter")
    assert shown.screen == "ConfirmScreen"
    await plan_is_read(shown)
    await shown.until(lambda: "1 trial x 3 epochs" in shown.text)
    assert "--set train.max_epochs=3 --detach" in command_of(shown)
    await shown.press("escape", "escape")
    assert shown.screen == "ConsoleScreen"


async def stopped_run_can_be_resumed(shown, run):
    """A stopped run is offered first; n begins a new one instead."""
    wait_until_free(run)
    await planned(shown)
    assert "resume" in shown.text
    assert "dry.2 --detach" in command_of(shown)
    await shown.press("n")
    assert "atft run dry" in command_of(shown)
    await shown.press("n")
    assert "atft resume" in command_of(shown)
    await shown.press("escape")


def wait_until_free(run):
    """Wait until the engine has let go of its directory."""
    give_up = time.monotonic() + 120
    while run.holder().value == "engine":
        assert time.monotonic() < give_up
        time.sleep(0.1)
