"""Somebody else's Optuna study on a real terminal: shown, not touched, and let go of."""

import os
import time

import optuna
import psutil
import pytest
from pty_console import console, terminal

pytestmark = pytest.mark.slow


@pytest.fixture
def study(tmp_path):
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = f"sqlite:///{tmp_path / 'theirs.db'}"
    made = optuna.create_study(study_name="theirs", storage=storage, direction="maximize")
    made.optimize(lambda trial: trial.suggest_float("x", 0, 1) / 10, n_trials=3)
    return made, tmp_path / "theirs.db"


def mirrors(parent):
    """The processes that follow a study for a console."""
    found = psutil.Process(parent).children(recursive=True)
    return [each.pid for each in found if "atft_core.engine.mirror" in " ".join(each.cmdline())]


@pytest.mark.parametrize("end", ["leave", "kill"])
def test_a_study_is_shown_as_it_grows_and_let_go_of(study, end):
    made, db = study
    with terminal(console("--watch", str(db)), size=(120, 34)) as shown:
        shown.shows("theirs.db", "ok done", f"{made.best_value:.3f}".lstrip("0"), "read-only")
        shown.press("dx")
        shown.shows("this run is read-only: another program runs this study")
        made.optimize(lambda trial: trial.suggest_float("x", 5, 6), n_trials=1)
        shown.shows("6." if made.best_value >= 6 else f"{made.best_value:.3f}")
        (mirror,) = mirrors(shown.process.pid)
        if end == "leave":
            shown.press("q")
            assert shown.ends() == 0
            assert f"--watch {db}" in shown.text.replace("\n", "")
        else:
            os.kill(shown.process.pid, 9)
            shown.process.wait()
        give_up = time.monotonic() + 20
        while psutil.pid_exists(mirror) and psutil.Process(mirror).status() != "zombie":
            assert time.monotonic() < give_up
            time.sleep(0.1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--watch", "nowhere.db"], "There is no study nowhere.db"),
        (["--watch", "x.db", "--demo"], "--watch shows one study and nothing else"),
    ],
)
def test_what_cannot_be_watched_is_a_line(tmp_path, words, said):
    with terminal(console(*words)) as shown:
        assert shown.ends() in (1, 2)
        assert said in shown.text and "Traceback" not in shown.text
