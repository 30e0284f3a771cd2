"""The page about a run: of a real sweep, in a real browser, on a phone, with hostile names."""

import json
import os
import re
import subprocess
import sys

import empty
import pytest
from drill import atft, refused, start, wait_for_end

from atft_core.run.directory import RunDirectory
from atft_core.writer import Run
from browser import CHROMIUM, browser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SEARCH = 'search={"train.learning_rate" = {low = 1e-4, high = 1e-2, log = true}}'


@pytest.fixture(scope="module")
def sweep(panel, place):
    run = start(panel, place / "sweep", "--set", SEARCH, epochs=3, trials=3)
    wait_for_end(run)
    return run


@pytest.fixture(scope="module")
def page(sweep):
    said = atft("report", sweep.path, "--compare", sweep.path, "--json")
    told = json.loads(said)
    assert told["report"] == str(sweep.path / "report.html")
    return sweep.path / "report.html"


def test_all_is_in_one_file(page):
    text = page.read_text()
    for title in ("Verdicts", "Before and after", "RankIC by day", "Acted upon a day later",
                  "By year and by sector", "Deciles and calibration", "Long-short book", "Trials",
                  "Epochs of trial", "Holdout", "Settings and environment"):  # fmt: skip
        assert f">{title}" in text, title
    assert not re.search(r'(src|href)="(?!#)', text), "nothing has to be fetched"
    assert "<script" not in text and "@import" not in text
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert "atft hpo" in text, "how to run it again"


@pytest.mark.skipif(not CHROMIUM, reason="apt-get install chromium")
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1200, "light")])
async def test_it_fits_a_phone_and_follows_the_readers_colours(page, width, scheme):
    async with browser(page.as_uri()) as shown:
        await shown.call("Emulation.setDeviceMetricsOverride", width=width, height=800,
                         deviceScaleFactor=1, mobile=width < 600)  # fmt: skip
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        await shown.call("Emulation.setEmulatedMedia", features=features)
        for _ in range(100):
            if await shown.value("document.readyState") == "complete":
                break
        assert await shown.value("document.documentElement.scrollWidth") <= width
        background = await shown.value("getComputedStyle(document.body).backgroundColor")
        assert background == {"dark": "rgb(20, 23, 26)", "light": "rgb(255, 255, 255)"}[scheme]
        drawn = await shown.value("getComputedStyle(document.querySelector('svg text')).fill")
        assert drawn in {"dark": ("rgb(228, 232, 236)", "rgb(154, 165, 177)"),
                         "light": ("rgb(27, 31, 36)", "rgb(93, 102, 112)")}[scheme]  # fmt: skip
        assert await shown.value("document.querySelectorAll('svg').length") >= 9
        wide = "[...document.querySelectorAll('svg')].every(s => s.clientWidth > 250)"
        assert await shown.value(wide)


def test_a_run_of_a_program_of_its_own_speaks_of_its_own_metric(home):
    about = {"lr": 0.1}
    with Run(home / "own", epochs=2, trials=2, objective="-loss", about=about) as run:
        for loss in (0.5, 0.25):
            with run.trial(lr=loss) as trial:
                trial.epoch(1, train={"loss": 1.0}, val={"loss": loss})
    atft("report", run.path, "--out", home / "page.html")
    text = (home / "page.html").read_text()
    assert "loss, validation" in text and "a value is the median loss" in text
    assert "Validation loss by epoch" in text and "best: 1" in text
    for wrong in ("RankIC", "atft holdout", "atft predict", "To run it again: atft"):
        assert wrong not in text, wrong
    for words in (("holdout", run.path, "--trial", 0, "--yes"), ("export", run.path, "predictions"),
                  ("predict", run.path, "--data-path", "p", "--out", "o.csv")):  # fmt: skip
        assert "ran a program of its own: there is no model of atft in it" in refused(
            *words, code=2
        )
    assert "damaged" not in atft("repair", run.path)


def test_a_run_without_predictions_has_a_page_that_says_so(panel, home):
    values = {"engine.study_name": "a"}
    given = empty.spec(panel, home / "out", trials=2, epochs=2, **values)
    empty.engine("start", given=given)
    out = home / "page.html"
    atft("report", home / "out", "--out", out)
    text = out.read_text()
    assert "No daily picture: the predictions of trial" in text
    assert "Trials" in text and "Long-short book" not in text


def test_what_others_wrote_is_text(panel, home):
    run, code = empty.start(panel, home / "out", ATFT_EMPTY_DEVICE="<img src=x onerror=a()>")
    assert code == 0
    atft("report", run.path)
    text = (run.path / "report.html").read_text()
    assert "<img" not in text and "&lt;img" in text


def test_it_is_said_where_it_cannot_be_written_and_what_is_missing(panel, home):
    run, _ = empty.start(panel, home / "out")
    refused = subprocess.run(
        [sys.executable, "-m", "atft_core", "report", run.path, "--out", home / "no" / "a.html"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 2 and "cannot be written" in refused.stderr
    assert "Name another place with --out" in refused.stderr
    without = "import sys; sys.modules['matplotlib'] = None; from atft_core.cli import main; main()"
    refused = subprocess.run(
        [sys.executable, "-c", without, "report", run.path], capture_output=True, text=True,
        check=False, env={**os.environ},
    )  # fmt: skip
    assert refused.returncode == 2 and "pip install 'atft[report]'" in refused.stderr
    assert RunDirectory(run.path).path.exists()
