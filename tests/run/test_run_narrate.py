"""Lines for people keep the words that old greps look for."""

from atft_core.run import events as ev
from atft_core.run.events import Stamped
from atft_core.run.narrate import lines
from atft_core.run.state import State


def told(event):
    return "\n".join(lines(State(max_epochs=10), Stamped(1, 0.0, event)))


def test_an_epoch_is_greppable():
    text = told(
        ev.Epoch(
            trial=3,
            epoch=7,
            seconds=14.2,
            batches=80,
            batches_available=80,
            train={"loss": -0.4},
            val={"1": {"rank_ic": 0.038, "rank_ic_se": 0.01, "ic": None, "days": 252}},
            gpu={"p10": 91, "p50": 94, "p90": 97},
        )
    )
    assert "Epoch 7/10 trial 3" in text
    assert "Val Metrics h=1 RankIC +0.0380 +-0.0100 IC - " in text
    assert "GPU sm p10 91 p50 94" in text


def test_what_has_no_words_has_no_line():
    assert lines(State(), Stamped(1, 0.0, ev.Progress(trial=0))) == []


def test_every_kind_can_be_told_with_its_defaults():
    for cls in ev.KINDS.values():
        required = {"run": "r", "pid": 1, "trial": 0, "id": "x", "rule": "r"}
        names = cls.__dataclass_fields__
        event = cls(**{key: value for key, value in required.items() if key in names})
        lines(State(), Stamped(1, 0.0, event))


def test_a_failed_check_is_named():
    text = told(ev.Preflight(checks=[{"name": "gradient", "ok": False, "detail": "is zero"}]))
    assert "0 of 1 checks ok" in text
    assert "FAILED gradient: is zero" in text
