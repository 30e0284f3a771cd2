"""Configuration keys: what was requested, what the trial has, what its worker found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from atft_core.run.settings.environ import IDLE
from atft_core.run.settings.setting import Mark, Setting, same
from atft_core.run.settings.sources import Sources

OBSERVED = {
    "data.feed": "feed", "train.device": "device", "train.threads": "threads", "train.amp": "amp",
    "train.compile": "compile", "train.val_debug": "val_debug", "train.max_batches": "max_batches",
    "train.block_days": "block_days", "train.seed": "seed", "model.lookback": "lookback",
}  # fmt: skip
"""What a worker tells, by the key that asks for it; of the loss it tells every term."""


def configured(sources: Sources) -> Iterator[Setting]:
    """Every key in the order of config.toml, then what only the parameters or the worker name."""
    observed = observed_by_key(sources)
    for key in dict.fromkeys([*sources.requested.values, *sources.params, *observed]):
        setting = _of_trial(key, sources)
        if key in IDLE:
            yield _of_ring(setting, sources)
        else:
            yield _of_worker(setting, observed.get(key), sources)


def observed_by_key(sources: Sources) -> dict[str, object]:
    """What the worker told when it began, by the key that asks for it."""
    told = sources.observed
    found = {key: told[name] for key, name in OBSERVED.items() if name in told}
    loss = told.get("loss")
    terms = loss.items() if isinstance(loss, dict) else ()
    return found | {f"loss.{name}": weight for name, weight in terms}


def _of_trial(key: str, sources: Sources) -> Setting:
    """What was asked for, and what the trial has of it."""
    requested = sources.requested
    asked, origin = requested.values.get(key), requested.origins.get(key, "")
    setting = Setting(key.partition(".")[0], key, asked, origin, sources.values.get(key))
    if key in requested.search:
        return _of_search(setting, sources)
    if key in sources.params:
        setting = replace(setting, origin=origin or "the study")
        if asked is not None and not same(asked, setting.trial):
            return replace(setting, mark=Mark.DIFFERS, note="not searched: added with the trial")
    return _as_the_study_said(setting, sources)


def _of_search(setting: Setting, sources: Sources) -> Setting:
    """A searched key: the request is a range, the trial has a draw."""
    space = sources.requested.search[setting.key]
    setting = replace(setting, requested=space, origin="search")
    if setting.key not in sources.params:
        return setting if sources.trial else replace(setting, trial=None)
    if not _inside(space, setting.trial):
        note = "outside of the search space: somebody asked for it"
        return replace(setting, mark=Mark.DIFFERS, note=note)
    return _as_the_study_said(replace(setting, mark=Mark.SAMPLED), sources)


def _as_the_study_said(setting: Setting, sources: Sources) -> Setting:
    """Whether params.json, which the worker reads, still says what the study said."""
    said = sources.trial.params.get(setting.key) if sources.trial else None
    if said is None or same(said, setting.trial):
        return setting
    return replace(setting, mark=Mark.DIFFERS, note=f"params.json was changed, it was {said}")


def _inside(space: object, value: object) -> bool:
    """Whether a value is one of the choices, or in the range."""
    match space, value:
        case {"choices": [*choices]}, _:
            return any(same(value, choice) for choice in choices)
        case {"low": int() | float() as low, "high": int() | float() as high}, int() | float():
            return bool(low <= value <= high)
    return False


def _of_worker(setting: Setting, observed: object, sources: Sources) -> Setting:
    """What the worker has instead, and whether that is a difference."""
    if observed is None:
        return setting
    setting, wanted = replace(setting, worker=observed), setting.trial
    if wanted is None or same(wanted, observed) or _specifies(observed, wanted):
        return setting
    if wanted == "auto" or (setting.key == "train.threads" and same(wanted, 0)):
        why = str(sources.observed.get("feed_reason", "")) if setting.key == "data.feed" else ""
        return replace(setting, mark=Mark.CHOSEN, note=why)
    phased = setting.key.startswith("loss.") and sources.values.get("train.phases")
    note = "a phase of the training sets it" if phased else "the worker runs with something else"
    return replace(setting, mark=Mark.DIFFERS, note=setting.note or note)


def _specifies(observed: object, wanted: object) -> bool:
    """`cuda` is asked for, `cuda (the name of the card)` is told."""
    return isinstance(wanted, str) and str(observed).startswith(f"{wanted} (")


def _of_ring(setting: Setting, sources: Sources) -> Setting:
    """Producers exist only with the ring feed; there they can be counted."""
    feed = sources.observed.get("feed")
    if feed is None:
        return setting
    if feed != "ring":
        return replace(setting, mark=Mark.INACTIVE, note=f"feed = {feed}; {IDLE[setting.key]}")
    if setting.key != "data.workers" or sources.worker is None:
        return setting
    alive = sources.worker.producers
    setting = replace(setting, worker=alive)
    if same(setting.trial, alive):
        return setting
    return replace(setting, mark=Mark.DIFFERS, note="so many producers of the ring are alive")
