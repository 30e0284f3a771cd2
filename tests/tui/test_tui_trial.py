"""The screen of one trial: every part at every size, live, and what went wrong."""

import pytest
import tui_run
from test_tui_hostile import HOSTILE, assert_harmless, hostile
from tui_console import MIDDLE, SMALL, WIDE, console, every_size

from atft_core.run import events as ev
from atft_core.run.journal import Journal
from atft_core.run.lock import EngineLock
from atft_tui.trial_files import traceback_in

PARTS = ("facts", "params", "terms", "horizons", "curves", "log", "daily", "epochs")


@pytest.fixture
def kept(live):
    """The sweep with what workers leave on disk."""
    tui_run.leave_files(live, 1, 10)
    tui_run.leave_files(live, 3, 7)
    return live


@every_size
async def test_every_part_has_a_key_and_what_it_promises(book, kept, size):
    async with console(book, kept.path, size=size) as shown:
        await shown.press("down", "enter")
        await shown.on("TrialScreen")
        await shown.until(lambda: shown.app.screen._files and shown.app.screen._files.view.days)
        for key, (name, texts) in enumerate(
            {
                "facts": ("1 Trial 1", "done", "checkpoints", "3.0 MiB", "best", "resident"),
                "params": ("2 Parameters", "train.learning_rate", "0.0003"),
                "terms": ("3 Loss by term", "rank_ic", "0.3000", "-0.0200", "0.50", "1.20e-03"),
                "horizons": ("4 Validation by horizon", "RankIC", ".011", "4.2", "reversal"),
                "curves": ("5 val RankIC, horizon 1", "newest epoch", "+-"),
                "log": ("6 Log", "worker of trial 1 starts"),
                "daily": ("7 RankIC by day, horizon 1", "252 days", "mean .0", "2016-02-01"),
                "epochs": ("8 Epochs", "10   14.2   0.400"),
            }.items(),
            start=1,
        ):
            await shown.press(str(key))
            assert shown.app.screen.zoomed == name
            for text in texts:
                await shown.shows(text)
            assert_harmless(shown)
        await shown.press("escape")
        assert shown.app.screen.zoomed == ""
        await shown.press("escape")
        assert shown.screen == "ConsoleScreen"


async def test_in_a_small_terminal_tab_goes_through_all_parts(book, kept):
    async with console(book, kept.path, size=SMALL) as shown:
        await shown.press("enter")
        for part in (*PARTS, "", PARTS[0]):
            await shown.press("tab")
            assert shown.app.screen.zoomed == part
        await shown.press("shift+tab", "shift+tab")
        assert shown.app.screen.zoomed == PARTS[-1]


async def test_in_a_large_one_tab_moves_the_focus(book, kept):
    async with console(book, kept.path, size=WIDE) as shown:
        await shown.press("enter")
        await shown.on("TrialScreen")
        await shown.until(lambda: shown.app.focused and shown.app.focused.id == "facts")
        seen = set()
        for _ in PARTS:
            await shown.press("tab")
            seen.add(shown.app.focused.id)
        assert seen == set(PARTS) and shown.app.screen.zoomed == ""


@pytest.mark.parametrize("size", [WIDE, MIDDLE], ids=["wide", "middle"])
async def test_nothing_stands_over_something_else(book, kept, size):
    async with console(book, kept.path, size=size) as shown:
        await shown.press("enter")
        await shown.on("TrialScreen")
        await shown.until(lambda: shown.pane("daily")._rows)
        panes = [shown.pane(name) for name in PARTS]
        regions = [pane.region for pane in panes if pane.display and pane.region.area]
        assert len(regions) == (8 if size == WIDE else 6)
        assert sum(region.area for region in regions) == size[0] * (size[1] - 1)


async def test_parameters_stand_beside_the_best_trials_where_they_differ(book, kept):
    async with console(book, kept.path, size=WIDE) as shown:
        await shown.press("enter")
        await shown.shows("1 Trial 3")
        said = shown.said("params").splitlines()
        assert "not as in the best trial: 1" in said
        rows = {line.split()[0]: line.split()[1:] for line in said if "." in line and "  " in line}
        assert rows["train.learning_rate"] == ["0.0001", "0.0003"]
        assert rows["model.hidden"] == ["64"]
        await shown.press("left", "left")
        await shown.shows("1 Trial 1")
        assert "best" not in shown.said("params"), "it is the best itself"


async def test_its_curves_stand_beside_the_best_and_enter_goes_there(book, kept):
    async with console(book, kept.path, size=WIDE) as shown:
        await shown.press("enter")
        await shown.on("TrialScreen")
        await shown.until(lambda: "trial 3 beside the best, trial 1" in shown.said("curves"))
        await shown.press("5")
        assert shown.pane("curves").cursor == "3"
        await shown.press("down", "enter")
        assert shown.app.screen.number == 1
        assert shown.said("curves").splitlines()[1].startswith("trial 1   m M metric")


@pytest.mark.parametrize("lag", [0, 1, None])
async def test_a_sharpe_ratio_says_of_which_entry_lag_it_is(book, kept, lag):
    facts = {} if lag is None else {"entry_lag": lag}  # runs of older versions do not say
    said = "entry lag ?" if lag is None else f"entry lag {lag}"
    row = {"rank_ic": 0.04, "rank_ic_se": 0.01, "ls_sharpe_ann": 1.234}
    with Journal(kept.events) as journal:
        journal.append(ev.DataReady(facts=facts))
        journal.append(ev.Epoch(trial=3, worker_seq=900, epoch=8, val={"1": row}))
    async with console(book, kept.path, size=SMALL) as shown:
        await shown.press("enter", "4")
        await shown.shows("1.23")
        assert f"4 Validation by horizon, L/S: Sharpe p.a., {said} " in shown.drawn("horizons")[0]
        await shown.press("5")
        names = set()
        for _ in range(60):
            await shown.press("m")
            names.add(shown.said("curves").splitlines()[0].split("  ")[0])
        assert f"5 val long-short Sharpe, year, {said}, horizon 1" in names


async def test_it_moves_while_the_trial_runs(book, kept):
    async with console(book, kept.path, size=WIDE) as shown:
        await shown.press("enter")
        await shown.on("TrialScreen")
        await shown.until(lambda: "epoch 7" in shown.said("terms"))
        tui_run.leave_files(kept, 3, 8, days=100)
        tui_run.add_epoch(kept, 3, 8)
        await shown.until(lambda: "epoch 8" in shown.said("terms"))
        assert "0.5000  -0.0500  -0.3500" in shown.said("terms")
        assert "epoch 8" in shown.said("horizons")
        await shown.until(lambda: "of 100 days" in shown.said("daily"))
        await shown.until(lambda: "best epoch 8" in shown.said("facts"))
        assert shown.said("epochs").splitlines()[3].split()[:2] == ["8", "14.2"]


async def test_a_failed_trial_says_why_and_where(book, kept):
    tui_run.begin_trial(kept, 4, **{"model.hidden": 128})
    tui_run.fail_trial(kept, 4)
    async with console(book, kept.path, size=WIDE) as shown:
        await shown.press("end", "enter")
        await shown.shows("1 Trial 4")
        await shown.until(lambda: "Traceback" in shown.said("facts"))
        said = " ".join(shown.said("facts").split())
        assert "reason non-finite loss: the loss is nan at epoch 2, block 17 of 94" in said
        assert "lost killed by signal 9 (out of memory?)" in said
        assert "given up by ada" in said
        assert 'File "/srv/atft/train/loop.py", line 131, in _refuse_non_finite' in said
        assert "NonFiniteLossError: the loss is nan at epoch 2" in said
        assert "checkpoints: none" in said
        for name in ("terms", "horizons", "epochs"):
            assert "no epoch has ended yet" in shown.said(name)
        assert "no day has been measured yet" in shown.said("daily")


async def test_a_trial_of_another_that_was_fine_shows_no_traceback(book, kept):
    kept.trial(1).log.write_text(tui_run.FAILURE)
    async with console(book, kept.path, size=WIDE) as shown:
        await shown.press("down", "enter")
        await shown.until(lambda: "best epoch 10" in shown.said("facts"))
        await shown.until(lambda: shown.app.screen._files.view.checkpoints)
        assert "Traceback" not in shown.said("facts"), "it was not lost"


@hostile
async def test_hostile_files_of_a_trial_are_drawn_as_text(book, home, text):
    run = tui_run.new_run(book, book.stage("short"))
    tui_run.begin_trial(run, 0, **{text: text})
    tui_run.leave_files(run, 0, 2)
    files = run.trial(0)
    files.daily_text.write_text(f'date,horizon,n,ic,rank_ic\n"{text}",1,9,0.1,0.1\n')
    files.log.write_text(f"Traceback (most recent call last):\n  {text}\nError: {text}\n")
    with Journal(run.events) as journal:
        journal.append(
            ev.Epoch(trial=0, attempt=1, worker_seq=9, epoch=1, train={"loss": 1.0, text: 0.5},
                     val={"1": {"rank_ic": 0.1, "baseline": text}, text: {"rank_ic": 0.1}})
        )  # fmt: skip
        journal.append(ev.WorkerExited(trial=0, ok=False, reason=text))
        journal.append(ev.PruneRequested(trial=0, user=text))
    tui_run.end_trial(run, 0, "FAIL", None, text)
    for size in (SMALL, WIDE):
        async with console(book, run.path, size=size) as shown:
            await shown.press("enter")
            await shown.on("TrialScreen")
            await shown.until(lambda: shown.app.screen._files.view.traceback)
            for key in "12345678":
                await shown.press(key)
                assert_harmless(shown)


async def test_ten_thousand_epochs_are_made_where_they_are_seen(book, home):
    run = tui_run.new_run(book, book.stage("full"))
    tui_run.begin_trial(run, 0)
    with Journal(run.events) as journal:
        for epoch in range(1, 10_001):
            journal.write(ev.Epoch(trial=0, attempt=1, worker_seq=9 + epoch, epoch=epoch,
                                   train={"loss": 1.0 / epoch}))  # fmt: skip
    lock = EngineLock(run.lock)
    async with console(book, run.path, size=SMALL) as shown:
        await shown.press("enter", "8")
        pane = shown.pane("epochs")
        await shown.until(lambda: len(pane._rows) == 10_001)
        await shown.press("end")
        assert pane.cursor == "1"
        assert len(pane._rows._made) < 200
    lock.release()


def test_the_last_traceback_of_a_log_is_found(tmp_path):
    log = tmp_path / "log.txt"
    assert traceback_in(log) == ()
    log.write_text("2026-01-05 10:00:00 all is well\n")
    assert traceback_in(log) == ()
    log.write_text("old\n" + tui_run.FAILURE + "2026-01-05 10:01:00 again\n" + tui_run.FAILURE)
    found = traceback_in(log)
    assert found[0] == "Traceback (most recent call last):"
    assert found[-1].endswith("the loss is nan at epoch 2, block 17 of 94")
    assert len(found) == 6
    log.write_text(tui_run.FAILURE + "2026-01-05 10:01:00 again\n")
    assert traceback_in(log) == found, "what came after it is none of it"


def test_of_a_long_traceback_the_end_is_shown_and_of_a_long_log_the_end_is_read(tmp_path):
    log = tmp_path / "log.txt"
    frames = "".join(f'  File "a.py", line {n}, in f\n' for n in range(500))
    log.write_text(
        "x\n" * 100_000 + f"Traceback (most recent call last):\n{frames}ValueError: no\n"
    )
    found = traceback_in(log)
    assert len(found) == 60
    assert found[:2] == ("Traceback (most recent call last):", "...")
    assert found[-1] == "ValueError: no"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_traceback_is_cleaned(tmp_path, text):
    log = tmp_path / "log.txt"
    log.write_text(f"Traceback (most recent call last):\n  {text}\n", errors="surrogateescape")
    assert all(line.isprintable() for line in traceback_in(log))
