"""A line of the log is an event, or it is left out; never an exception."""

import json
import math
from dataclasses import fields

import pytest

from atft_core.run import events as ev
from atft_core.run.events import KINDS, Stamped, decode, encode
from atft_core.run.fold import apply
from atft_core.run.state import State
from atft_core.writer import summed

REQUIRED = {"run": "r", "pid": 7, "trial": 3, "id": "x", "rule": "r"}


def example(cls):
    names = {f.name for f in fields(cls)}
    return cls(**{key: value for key, value in REQUIRED.items() if key in names})


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_survives_its_line_and_moves_the_state(kind):
    stamped = Stamped(5, 12.345, example(KINDS[kind]))
    assert decode(encode(stamped)) == stamped
    state = State()
    apply(state, stamped)
    assert (state.seq, state.t) == (5, 12.345)


def test_every_event_that_can_be_written_can_be_read():
    abstract = {ev.Event, ev.WorkerEvent}
    kinds = {
        cls for cls in vars(ev).values() if isinstance(cls, type) and issubclass(cls, ev.Event)
    }
    assert kinds - abstract == set(KINDS.values())


def test_a_line_names_its_kind_in_words():
    record = json.loads(encode(Stamped(1, 2.0, ev.WorkerStarted(trial=1))))
    assert (record["kind"], record["seq"], record["t"]) == ("worker_started", 1, 2.0)


def test_unknown_fields_are_ignored_and_missing_ones_have_their_defaults():
    line = '{"seq":4,"t":1.5,"kind":"trial_ended","trial":2,"colour":"red"}'
    assert decode(summed(line)) == Stamped(4, 1.5, ev.TrialEnded(trial=2))


@pytest.mark.parametrize(
    "line",
    [
        "", "{", "null", "[]", "17", '"text"', '{"seq":1,"t":1}',
        '{"seq":1,"t":1,"kind":"born_later"}', '{"seq":1,"t":1,"kind":["epoch"]}',
        '{"seq":1,"t":1,"kind":"epoch"}',  # an epoch without its trial
        '{"seq":"x","t":1,"kind":"alert"}', '{"seq":1e999,"t":1,"kind":"alert"}',
        '{"seq":1,"kind":"alert"}', '{"seq":1,"t":1,"kind":"alert","text":"torn', "\x00\x01",
        "[" * 100_000,
        '{"seq":1,"t":1,"kind":"alert","text":5}', '{"seq":1,"t":1,"kind":"epoch","trial":"0"}',
        '{"seq":1,"t":1,"kind":"epoch","trial":true}',
        '{"seq":1,"t":1,"kind":"epoch","trial":0,"val":{"1":[0.1]}}',
        '{"seq":1,"t":1,"kind":"epoch","trial":0,"time":null}',
        '{"seq":1,"t":1,"kind":"preflight","checks":["ok"]}',
        '{"seq":1,"t":1,"kind":"run_started","run":"r","until":"07:00"}',
    ],
)  # fmt: skip
def test_a_damaged_or_unknown_line_is_none(line):
    assert decode(line) is None
    assert decode(summed(line)) is None, "and with a sum that is right"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_none_is_not_written(value):
    with pytest.raises(ValueError):
        encode(Stamped(1, 1.0, ev.TrialEnded(trial=0, value=value)))


def test_only_progress_may_be_lost_in_a_power_cut():
    assert [kind for kind, cls in KINDS.items() if not cls.durable] == ["progress"]


@pytest.mark.parametrize(
    "said",
    [
        '"t":1e300,"kind":"epoch","trial":0', '"t":1,"kind":"epoch","trial":1' + "0" * 600,
        '"t":1,"kind":"epoch","trial":0,"seconds":1' + "0" * 600,
        '"t":1,"kind":"epoch","trial":0,"seconds":1e400', '"t":NaN,"kind":"epoch","trial":0',
        '"t":1,"kind":"epoch","trial":0,"seconds":NaN',
    ],
)  # fmt: skip
def test_numbers_that_no_run_can_have_are_damage(said):
    assert decode(summed(f'{{"seq":1,{said}}}')) is None


def test_blanks_around_a_line_are_no_damage():
    line = summed('{"seq":1,"t":1,"kind":"epoch","trial":0}')
    assert decode(f" {line} \r") is not None


@pytest.mark.parametrize(
    "event", [ev.TrialEnded(trial=2, value=0.0512), ev.Alert(text="\U0001f600")]
)
def test_no_turned_bit_is_believed(event):
    line = encode(Stamped(7, 12.5, event))
    data = line.encode()
    for place in range(len(data)):
        for bit in range(8):
            turned = bytearray(data)
            turned[place] ^= 1 << bit
            found = decode(turned.decode("utf-8", errors="replace"))
            assert found in (None, Stamped(7, 12.5, event)), (place, bit)
