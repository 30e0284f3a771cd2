"""Before and after: a run beside another one, chosen from those that are known."""

import json
import shutil

import tui_run
from test_tui_checklist import failed_dry_run
from test_tui_hostile import assert_harmless
from tui_console import SMALL, WIDE, console, every_size

from atft_core.writer import summed


async def beside(shown, name):
    """Press b, choose a run, wait for both to be read."""
    await shown.press("b")
    await shown.on("RunsScreen")
    pane = shown.pane("runs")
    await shown.until(lambda: pane.listing.lines and len(pane.listing.lines) == pane.listing.known)
    keys = [line.key for line in pane.listing.lines]
    (pane.cursor,) = [key for key in keys if key.endswith(name)]
    await shown.press("enter")
    await shown.on("ContrastScreen")
    await shown.until(lambda: shown.pane("evidence").contrast or shown.pane("evidence").complaint)


def line(shown, title):
    return next(one for one in shown.said("evidence").splitlines() if f" {title}" in one)


@every_size
async def test_every_measure_of_both_runs_with_its_difference(book, live, size):
    failed_dry_run(book)
    async with console(book, live.path, size=size) as shown:
        await beside(shown, "output/dry.2")
        assert "Before: output/dry.2  after: output/short" in shown.drawn("evidence")[0]
        assert "atft check output/short --against output/dry.2" in command(shown)
        rank_ic = line(shown, "val RankIC h=1").split()
        assert rank_ic[0] == "++"
        assert rank_ic[-1] == "better"
        assert "-.037" in rank_ic
        assert ".046" in rank_ic
        assert "+.083" in rank_ic
        assert line(shown, "epoch time ").endswith("the same")
        assert line(shown, "GPU utilisation").endswith("not known")
        assert line(shown, "data feed").split()[-4:] == ["resident", "resident", "the", "same"]
        assert "3 caveats below" in shown.drawn("evidence")[-1]
        assert "- stage: dry before, short after" in shown.said("evidence")
        assert "the run after has not finished: no end yet" in shown.said("evidence")
        assert all("…" not in one for one in shown.drawn("evidence")[:20])
        await shown.press("escape")
        assert shown.screen == "ConsoleScreen"


def command(shown):
    return shown.app.main.query_one("#command").said[0]


async def test_a_wide_screen_has_the_errors_too(book, live):
    async with console(book, live.path, size=WIDE) as shown:
        await beside(shown, "output/dry")
        assert ".046 +-.011" in line(shown, "val RankIC h=1")
        assert line(shown, "val RankIC h=1").endswith("within noise")


async def test_it_follows_the_run_that_is_shown(book, live):
    async with console(book, live.path, size=WIDE) as shown:
        await beside(shown, "output/dry")
        assert line(shown, "trials ended").split()[3:6] == ["1", "3", "+2"]
        tui_run.end_trial(live, 3, "COMPLETE", 0.06)
        await shown.until(lambda: line(shown, "trials ended").split()[3:6] == ["1", "4", "+3"])


async def test_the_known_runs_are_listed_but_the_one_that_is_shown(book, live):
    tui_run.new_run(book, book.stage("full"))
    async with console(book, live.path, size=SMALL) as shown:
        await shown.press("b")
        await shown.shows("output/full")
        await shown.until(lambda: len(shown.pane("runs").listing.lines) == 2)
        listed = [line.found.run.path.name for line in shown.pane("runs").listing.lines]
        assert sorted(listed) == ["dry", "full"]
        assert "Which run was before output/short?" in shown.said("runs")
        await shown.press("escape")
        assert shown.screen == "ConsoleScreen"


async def test_without_another_run_it_says_so(book, finished):
    async with console(book, finished.path, size=SMALL) as shown:
        await shown.press("b")
        await shown.shows("there is no other run here")
        await shown.press("enter")
        assert shown.screen == "RunsScreen"


async def test_without_any_run_there_is_nothing_to_compare(book):
    async with console(book, size=SMALL) as shown:
        await shown.press("b")
        assert shown.notices() == ["there is no run yet"]


async def test_a_run_that_was_removed_meanwhile_is_said_not_a_crash(book, live, finished):
    async with console(book, live.path, size=SMALL) as shown:
        await shown.press("b")
        await shown.shows("output/dry")
        finished.events.unlink()
        finished.events.mkdir()
        await shown.press("enter")
        await shown.on("ContrastScreen")
        await shown.until(lambda: shown.pane("evidence").complaint)
        assert "directory" in shown.text.lower()


def damage_stage(run, **values):
    first, *rest = run.events.read_text().splitlines()
    event = json.loads(first)
    del event["crc"]
    event["stage_spec"].update(values)
    run.events.write_text("\n".join([summed(json.dumps(event)), *rest]) + "\n")


async def test_a_run_whose_stored_stage_is_damaged_is_said_not_a_crash(book, live):
    other = tui_run.new_run(book, book.stage("short"))
    damage_stage(other, criteria=[{"name": "val_rank_ic", "minimum": "low"}])
    async with console(book, live.path, size=SMALL) as shown:
        await beside(shown, "output/short.2")
        assert "has a damaged stage: row 1 of criteria has minimum = 'low'" in (
            " ".join(shown.said("evidence").split())
        )
        await shown.press("escape")
        assert shown.screen == "ConsoleScreen"


async def test_hostile_names_are_drawn_as_text(book, live, finished):
    place = live.path.parent / "\x1b]52;c;b3duZWQ=\x07[red]x[/]"
    shutil.copytree(finished.path, place)
    async with console(book, live.path, size=SMALL) as shown:
        await shown.press("b")
        await shown.shows("[red]x[/]")
        assert_harmless(shown)
        await beside_hostile(shown, place)
        assert_harmless(shown)
        assert "[red]x[/]" in shown.text


async def beside_hostile(shown, place):
    shown.pane("runs").cursor = str(place)
    await shown.press("enter")
    await shown.on("ContrastScreen")
    await shown.until(lambda: shown.pane("evidence").contrast)
