"""Keys that look: zoom, help, the log filter, a trial, a criterion. None of them changes a run."""

import pytest
import tui_run
from textual.widgets import Input
from tui_console import MIDDLE, SMALL, WIDE, console, every_size

from atft_core.run import events as ev
from atft_core.run.journal import Journal
from atft_tui.bindings import KEYS, stage_keys

ZOOMS = {"1": "gpu", "2": "verdict", "3": "trials", "4": "checklist", "5": "curves", "6": "log"}
OTHER_KEYS = ("d", "s", "f", "x", "X", "r", "slash", "1", "6", "question_mark", "enter", "down")


@every_size
async def test_a_zoomed_pane_fills_the_screen_and_goes_back(book, live, size):
    async with console(book, size=size) as shown:
        for place, (key, name) in enumerate(ZOOMS.items()):
            before = shown.pane(name).region
            await shown.press(key)
            assert shown.app.screen.zoomed == name
            assert shown.pane(name).region.size == (size[0], size[1] - 4)
            assert f" {key} " in shown.lines[2], "the caption names the key"
            assert shown.app.focused is shown.pane(name)
            await shown.press((key, "escape")[place % 2])
            assert shown.app.screen.zoomed == ""
            assert shown.pane(name).region == before
            assert shown.app.focused is shown.pane("trials")


async def test_one_zoom_replaces_another(book, live):
    async with console(book, size=SMALL) as shown:
        await shown.press("6")
        await shown.press("5")
        assert shown.app.screen.zoomed == "curves"
        assert "val RankIC" in shown.text
        await shown.press("5")
        assert shown.app.screen.zoomed == ""


async def test_the_verdict_shows_what_rules_decided(book, live):
    said = "trial 2: stop (advice), RankIC low; this saves about 3 h"
    with Journal(live.events) as journal:
        journal.append(ev.Decision(rule="early_signs", verdict="stop", trial=2, said=said))
    async with console(book) as shown:
        assert said[:40] in shown.pane("verdict")._captions[1]
        await shown.press("2")
        assert "decisions" in shown.said("verdict")
        assert f"early_signs    {said}" in shown.said("verdict")


@pytest.mark.parametrize("kind", ["luck", "walk-forward"])
async def test_the_verdict_shows_what_all_trials_say_together(book, live, kind):
    said = "trial 1, h=1: t 2.1 on 250 days; no trial is surely better than ridge (p .31)"
    event = (
        ev.Significance(trial=1, found={"trials": 3}, said=said)
        if kind == "luck"
        else ev.WalkedForward(found={"folds": []}, said=said)
    )
    with Journal(live.events) as journal:
        journal.append(event)
    async with console(book, size=WIDE) as shown:
        assert f"{kind}  {said[:40]}" in shown.drawn("verdict")[2]
        await shown.press("2")
        assert said in shown.said("verdict")


async def test_the_zoomed_verdict_shows_preflight_times_and_alerts(book, live):
    async with console(book, size=SMALL) as shown:
        await shown.press("2")
        assert "preflight" in shown.said("verdict")
        assert "ok loss gradients" in shown.said("verdict")
        assert "optim" in shown.said("verdict")


async def test_a_zoom_says_which_command_shows_the_same(book, live):
    async with console(book, size=WIDE) as shown:
        await shown.press("4")
        assert shown.drawn("command")[0].startswith(" $ atft check output/short")
        await shown.press("6")
        assert "tail -f output/short/logs/ml_training.log" in shown.drawn("command")[0]


@every_size
async def test_help_lists_every_key_with_what_it_does(book, live, size):
    async with console(book, size=size) as shown:
        await shown.press("question_mark")
        assert shown.screen == "HelpScreen"
        rows = shown.pane("help").text.splitlines()
        for key in [*stage_keys(book), *KEYS]:
            if key.scope != "help":
                said = [row for row in rows if row.startswith(f"  {key.shown:9} ")]
                assert any(key.help[:50] in row for row in said), key
        await shown.press("G")
        assert "nothing is started" in shown.text, "the last line can be reached"
        await shown.press("escape")
        assert shown.screen == "ConsoleScreen"


async def test_a_wide_help_names_the_command_line_twins(book, live):
    async with console(book, size=WIDE) as shown:
        await shown.press("question_mark")
        for key in KEYS:
            if key.twin and key.scope != "help":
                assert key.twin.replace("{run}", "RUN_DIR") in shown.said("help")


# The log filter.


async def filter_by(shown, text):
    shown.pane("checklist").focus()
    await shown.press("slash")
    shown.app.screen.query_one("#answer", Input).value = text
    await shown.press("enter")
    await shown.until(lambda: shown.pane("log")._drawn.choice == shown.pane("log").choice)


@every_size
async def test_a_filter_keeps_the_lines_that_match(book, live, size):
    async with console(book, size=size) as shown:
        await filter_by(shown, "trial [12] PRUNED|Trial [01] COMPLETE")
        lines = shown.pane("log").text.splitlines()
        assert [line[-25:] for line in lines] == [
            "Trial 0 COMPLETE value 0.031"[-25:], "Trial 1 COMPLETE value 0.046"[-25:],
        ]  # fmt: skip
        assert "/trial [12] PRUNED" in shown.text, "a filter is never hidden"
        assert "Trial 1 COMPLETE" in "\n".join(shown.drawn("log"))


async def test_an_exclamation_mark_keeps_the_lines_that_do_not_match(book, live):
    async with console(book, size=WIDE) as shown:
        await filter_by(shown, "!Epoch|Val|GPU")
        lines = shown.pane("log").text.splitlines()
        assert len(lines) == 4
        assert not any(word in line for line in lines for word in ("Epoch", "Val", "GPU"))
        assert "| grep -vE 'Epoch|Val|GPU'" in shown.drawn("command")[0]


async def test_an_empty_filter_shows_everything_again(book, live):
    async with console(book, size=WIDE) as shown:
        await shown.shows("Epoch 7/10")
        every = shown.pane("log").text
        await filter_by(shown, "no such line")
        assert "no line matches" in shown.text
        await filter_by(shown, "")
        assert shown.pane("log").text == every


async def test_lines_that_come_later_are_filtered_too(book, live):
    async with console(book, size=WIDE) as shown:
        await filter_by(shown, "lucky")
        with live.log.open("a") as file:
            file.write("an unlucky day\nnothing\nanother lucky one\n")
        await shown.shows("another lucky one")
        assert len(shown.pane("log").text.splitlines()) == 2


async def test_a_bad_expression_says_what_is_bad_about_it(book, live):
    async with console(book, size=WIDE) as shown:
        await shown.shows("Epoch 7/10")
        every = shown.pane("log").text
        await filter_by(shown, "trial [0")
        assert "bad expression: unterminated character set" in shown.text
        assert isinstance(shown.app.focused, Input)
        assert shown.pane("log").text == every
        await shown.press("escape")
        assert "bad expression" not in shown.text


async def test_keys_typed_into_the_filter_do_nothing_else(book, live):
    async with console(book, size=WIDE) as shown:
        shown.pane("log").focus()
        await shown.press("slash")
        await shown.type("dxXq?1r")
        assert shown.screen == "ConsoleScreen"
        assert shown.app.screen.query_one("#answer", Input).value == "dxXq?1r"
        assert list(live.requests.iterdir()) == []


async def test_the_log_follows_until_somebody_scrolls_up(book, live):
    async with console(book, size=WIDE) as shown:
        await shown.shows("Epoch 7/10")
        await shown.press("6", "g")
        assert "scrolled up" in shown.text
        with live.log.open("a") as file:
            file.write("the newest line\n")
        await shown.shows("scrolled up, 1 new line: G follows again")
        assert "the newest line" not in shown.text
        await shown.press("G")
        await shown.shows("the newest line")
        assert "follows" in shown.pane("log")._captions[1]


# Looking closer.


async def test_a_running_trial_says_in_which_phase_it_is(book, live):
    async with console(book) as shown:
        await shown.press("down", "enter", *["left"] * 6)
        for _ in range(6):
            if "state    runs" in shown.said("facts"):
                break
            await shown.press("right")
        assert "2 of 2, Graph" in shown.said("facts")
        assert "Baseline" not in shown.said("facts")


@every_size
async def test_enter_on_a_trial_opens_it_and_escape_returns(book, live, size):
    async with console(book, size=size) as shown:
        await shown.press("down", "enter")
        assert shown.screen == "TrialScreen"
        assert "Trial 1" in shown.text
        facts = shown.said("facts")
        assert "done" in facts
        assert "resident" in facts, "observed, not only asked for"
        if size != SMALL:
            assert "0.0003" in shown.said("params")
        if size == WIDE:
            epochs = shown.said("epochs").splitlines()
            assert [row.split()[0] for row in epochs[3:13]] == [str(n) for n in range(10, 0, -1)]
            await shown.shows("worker of trial 1 starts")
        await shown.press("right")
        assert "Trial 2" in shown.text
        assert "below the median for 2 epochs" in " ".join(shown.said("facts").split())
        await shown.press("left", "left", "left")
        assert "Trial 3" in shown.text, "it goes round"
        assert "batch 40/94" in shown.said("facts")
        await shown.press("escape")
        assert shown.screen == "ConsoleScreen"


async def test_panes_of_a_trial_can_be_zoomed(book, live):
    async with console(book, size=SMALL) as shown:
        await shown.press("enter", "6")
        await shown.shows("worker of trial 3 starts")
        await shown.press("5")
        assert "val RankIC" in shown.text
        await shown.press("escape")
        assert shown.screen == "TrialScreen"
        await shown.press("escape")
        assert shown.screen == "ConsoleScreen"


@every_size
async def test_enter_on_a_criterion_shows_its_evidence_and_escape_returns(book, live, size):
    async with console(book, size=size) as shown:
        shown.pane("checklist").focus()
        await shown.press("down", "enter")
        assert shown.screen == "EvidenceScreen"
        assert "2 of 15" in shown.text
        assert ".. PENDING  epoch time" in shown.text
        assert "14.2 s" in shown.text
        assert "< 360 s" in shown.text
        assert "< 300 s" in shown.text
        assert "output/short" in shown.text
        await shown.press("left", "left")
        assert "15 of 15" in shown.text
        await shown.press("escape")
        assert shown.screen == "ConsoleScreen"


async def test_the_cursor_stays_on_its_trial_when_the_order_changes(book, live):
    async with console(book, size=MIDDLE) as shown:
        await shown.press("end")
        assert shown.pane("trials").cursor == "2"
        tui_run.end_trial(live, 3, "COMPLETE", 0.001)
        await shown.shows("between trials")
        assert shown.pane("trials").cursor == "2"


# Too small.


@pytest.mark.parametrize("size", [(79, 20), (80, 23), (79, 40), (20, 5)], ids=str)
async def test_a_small_terminal_says_how_large_it_must_be(book, live, size):
    async with console(book, size=size) as shown:
        said = " ".join(shown.text.split())
        assert f"{size[0]}x{size[1]} is too small" in said
        assert "80x24" in said
        assert "output/short" not in said


async def test_in_a_small_terminal_no_key_starts_or_stops_anything(book, live):
    async with console(book, size=(79, 20)) as shown:
        for key in OTHER_KEYS:
            await shown.press(key)
            assert shown.screen == "ConsoleScreen", key
        assert shown.notices() == []
        assert list(live.requests.iterdir()) == []
        await shown.press("q")
        assert shown.app._exit
