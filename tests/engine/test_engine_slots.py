"""Where workers compute at once: how the machine is divided, and which slot a trial gets."""

import pytest

from atft_core.config.load import with_values
from atft_core.config.schema import Config
from atft_core.engine.cards import MeasuredCards
from atft_core.engine.slots import Slot, Slots, plan_slots
from atft_core.gpu.visible import card_of, names
from atft_core.run.epochs import EpochRow
from atft_core.run.state import State


class Card:
    def __init__(self, index):
        self.index, self.uuid = index, f"GPU-{index}{index}"


class Cards:
    """What is known of GPUs, as a test wants it."""

    def __init__(self):
        self.ill, self.room = {}, False

    def broken(self, gpu):
        return self.ill.get(gpu, "")

    def has_room(self, gpu, others):
        return self.room


def config(**values):
    return with_values(Config(), {key.replace("_", ".", 1): value for key, value in values.items()})


@pytest.mark.parametrize(
    ("values", "gpus", "expected"),
    [
        ({}, [], [("", 0)]),
        ({}, ["a"], [("a", 0)]),
        ({}, ["a", "b"], [("a", 4), ("b", 4)]),
        ({"engine_slots": 4}, [], [("", 2)] * 4),
        ({"engine_slots": 3}, ["a", "b"], [("a", 2), ("b", 2), ("a", 2)]),
        ({"engine_slots": 2, "train_device": "cpu"}, ["a", "b"], [("", 4)] * 2),
        ({"engine_slots": 2, "train_threads": 5}, [], [("", 5)] * 2),
        ({"engine_slots": 20}, [], [("", 1)] * 20),
        ({"train_devices_per_trial": 2}, ["a", "b", "c", "d"], [("a,b", 4), ("c,d", 4)]),
        ({"train_devices_per_trial": 2}, ["a", "b", "c"], [("a,b", 0)]),
        ({"train_devices_per_trial": 4}, ["a", "b"], [("a,b", 0)]),
        ({"train_devices_per_trial": 2}, [], [("", 0)]),
    ],
)
def test_a_machine_is_divided_by_its_cards_or_as_asked(values, gpus, expected):
    found = plan_slots(config(**values), gpus, cores=8)
    assert [(slot.gpu, slot.threads) for slot in found] == expected
    assert [slot.number for slot in found] == list(range(len(expected)))


def test_cards_are_named_as_cuda_names_them():
    cards = [Card(0), Card(1), Card(2)]
    assert names(cards, {}) == ["GPU-00", "GPU-11", "GPU-22"]
    assert names(cards, {"CUDA_VISIBLE_DEVICES": "2, 0"}) == ["2", "0"]
    assert names(cards, {"CUDA_VISIBLE_DEVICES": "1,-1,0"}) == ["1"]
    assert names(cards, {"CUDA_VISIBLE_DEVICES": ""}) == []
    assert names([], {"CUDA_VISIBLE_DEVICES": "MIG-7"}) == ["MIG-7"], "NVML may know less than CUDA"
    assert [card_of(cards, name) for name in ("2", "GPU-1", "MIG-7")] == [2, 1, None]


def test_a_trial_keeps_its_slot_until_it_is_through():
    slots = Slots([Slot(0), Slot(1)], Cards())
    assert slots.take(7).number == 0
    assert slots.take(8).number == 1
    assert slots.take(9) is None
    assert slots.take(7).number == 0
    slots.release(7)
    assert slots.take(9).number == 0


def test_who_has_begun_comes_before_who_has_not():
    slots = Slots([Slot(0), Slot(1)], Cards())
    slots.take(1), slots.take(2)
    assert slots.take(0) is None, "its card was lost, say"
    slots.release(1)
    assert slots.free and not slots.spare
    assert slots.take(0).number == 0
    slots.release(2)
    assert slots.spare
    assert slots.take(3) and slots.take(4) is None
    slots.release(4), slots.release(3)
    assert slots.spare, "who is through waits for nothing"


def test_a_slot_whose_card_is_ill_is_left_out_and_its_trial_moves():
    cards = Cards()
    slots = Slots([Slot(0, "a"), Slot(1, "b")], cards)
    assert slots.take(7).gpu == "a"
    cards.ill["a"] = "it has fallen off the bus"
    assert slots.take(7).gpu == "b"
    assert slots.free == []
    assert slots.broken == ""
    cards.ill["b"] = "it does not answer"
    assert slots.take(7) is None
    assert slots.broken == "LOST_GPU: it has fallen off the bus"


def test_a_second_trial_goes_to_an_idle_card_or_where_there_is_room():
    cards = Cards()
    slots = Slots([Slot(0, "a"), Slot(1, "a"), Slot(2, "b")], cards)
    assert [slots.take(n).gpu for n in (5, 6)] == ["a", "b"]
    assert slots.take(7) is None
    cards.room = True
    assert slots.take(7) == Slot(1, "a")


def test_a_worker_that_was_found_has_its_slot_whoever_else_is_in_it():
    slots = Slots([Slot(0), Slot(1)], Cards())
    slots.keep(3, 1)
    assert slots.take(4).number == 0
    slots.keep(5, 9)  # there were more of them once
    slots.release(4)
    slots.release(3)
    assert [slot.number for slot in slots.free] == [0], "trial 5 is still in the last one"


class Sampler:
    free = 40 * 2**30

    def broken(self, gpu):
        return f"{gpu} is ill"

    def free_memory(self, gpu):
        return self.free


def state(*peaks, device="cuda (X)"):
    made = State()
    for number, peak in enumerate(peaks):
        trial = made.trial(number)
        trial.settings = {"device": device}
        if peak is not None:
            row = EpochRow(1, 1.0, 1.0, 1, 1, {}, {}, {}, None, {"peak_bytes": peak})
            trial.epochs.append(row)
    return made


def test_one_more_fits_when_the_others_told_what_they_take_and_that_is_free():
    gib = 2**30
    for peaks, free, fits in (
        ([30 * gib], 40 * gib, True),
        ([30 * gib], 33 * gib, False),
        ([5 * gib, 30 * gib], 33 * gib, False),
        ([30 * gib, None], 80 * gib, False),
        ([30 * gib], None, False),
    ):
        sampler = Sampler()
        sampler.free = free
        cards = MeasuredCards(state(*peaks), sampler)
        assert cards.has_room("a", range(len(peaks))) is fits, (peaks, free)


def test_where_trials_compute_on_the_cpu_no_card_is_in_the_way():
    assert MeasuredCards(state(1), Sampler()).broken("a") == "a is ill"
    assert MeasuredCards(state(1, device="cpu"), Sampler()).broken("a") == ""
