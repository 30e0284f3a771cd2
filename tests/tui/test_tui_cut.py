"""Logs and recordings as they were at a moment, wherever it lies in them."""

import json
import time

import pytest

from atft_core.run.cut import before
from atft_core.run.narrate import stamp
from atft_tui.logs.past import Until
from atft_tui.logs.window import LogWindow
from atft_tui.past.recording import recorded

BEGAN = 1_795_000_000.0


def number(line: bytes) -> float | None:
    return float(line) if line[:1].isdigit() else None


@pytest.fixture
def log(tmp_path):
    """A thousand numbered lines, every seventh followed by one without a number."""
    path = tmp_path / "log"
    parts = []
    for n in range(1000):
        parts.append(f"{n:030}\n")
        if n % 7 == 0:
            parts.append(f"  of {n}\n")
    path.write_text("".join(parts))
    return path


@pytest.mark.parametrize("t", [-1.0, 0.0, 6.5, 7.0, 499.0, 998.5, 999.0, 1e9])
def test_lines_up_to_a_time_with_those_that_belong_to_them(log, t):
    every = log.read_bytes().splitlines()
    wanted = [line for line in every if (number(line) if number(line) is not None else
                                         float(line.split()[-1])) <= t]  # fmt: skip
    assert before(log, t, number, 1 << 20) == (wanted, 0)


def test_of_many_lines_the_last_are_read_and_the_rest_is_counted(log):
    lines, skipped = before(log, 500.0, number, 300)
    assert lines[-1] == b"%030d" % 500
    assert 200 < sum(len(line) + 1 for line in lines) <= 300
    whole, _ = before(log, 500.0, number, 1 << 20)
    assert skipped == sum(len(line) + 1 for line in whole[: -len(lines)])


def test_without_a_time_all_complete_lines_are_meant(log):
    with log.open("a") as file:
        file.write("torn")
    assert before(log, None, number, 60)[0] == [b"%030d" % 999]


def test_what_is_not_there_has_no_lines(tmp_path):
    assert before(tmp_path / "none", 5.0, number, 99) == ([], 0)
    (tmp_path / "empty").touch()
    assert before(tmp_path / "empty", 5.0, number, 99) == ([], 0)


def test_a_large_file_without_times_is_not_read_through(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"0\n" + b"no time here\n" * 2_000_000)
    asked = []
    before(path, 5.0, lambda line: asked.append(1) or number(line), 1000)
    assert len(asked) < 500_000


# The run's log.


def written(path, seconds, zone=0.0):
    lines = [f"{stamp(BEGAN + zone + s)} line {s}\n" for s in seconds]
    path.write_text("".join(lines))
    return path


def lines_at(path, t):
    """What a log pane shows of a run that began at BEGAN, rewound to `t`."""
    window = LogWindow()
    window.open([("run", path)], Until(t, BEGAN))
    return [line.whole for line in window.view.lines]


def test_the_log_ends_at_the_moment_and_does_not_grow(tmp_path):
    path = written(tmp_path / "log", range(2000))
    window = LogWindow()
    window.open([("run", path)], Until(BEGAN + 1234.5, BEGAN))
    window.follow()
    window.hold()
    with path.open("a") as file:
        file.write(f"{stamp(BEGAN + 3000)} later\n")
    view = window.view
    assert view.lines[-1].whole.endswith("line 1234")
    assert (view.at_end, view.waiting) == (True, 0)
    window.older()
    assert window.view.lines[0].whole.endswith("line 0")


@pytest.mark.parametrize("hours", [-11, -1, 0.25, 5.5, 9])
def test_a_log_from_another_time_zone_is_cut_at_the_same_moment(tmp_path, hours):
    path = written(tmp_path / "log", range(0, 90_000, 60), zone=3600 * hours)
    assert lines_at(path, BEGAN + 30_000)[-1].endswith("line 30000")


def test_a_traceback_belongs_to_the_line_before_it(tmp_path):
    path = written(tmp_path / "log", [0, 10])
    with path.open("a") as file:
        file.write(f"Traceback\n  File x\n{stamp(BEGAN + 20)} later\n")
    assert lines_at(path, BEGAN + 15)[-2:] == ["Traceback", "  File x"]
    assert lines_at(path, BEGAN + 5)[-1].endswith("line 0")


def test_hostile_and_impossible_lines_are_text(tmp_path):
    path = written(tmp_path / "log", [0])
    with path.open("ab") as file:
        file.write(b"9999-99-99 99:99:99 \x1b]52;c;Zm9v\x07\xff\x9b2J [red]\n")
    last = lines_at(path, BEGAN + 5)[-1]
    assert last.isprintable() and "[red]" in last


def test_a_log_without_lines_or_file_is_empty(tmp_path):
    assert lines_at(tmp_path / "none", BEGAN) == []


# The recording of the GPUs.


def sample(t, index=0, **values):
    known = {
        "t": t,
        "gpu": index,
        "name": "Stub",
        "sm": 1,
        "p50": float(t - BEGAN),
        "stage": "train",
    }
    return json.dumps(known | values) + "\n"


def test_the_recording_ends_at_the_moment_with_the_two_minutes_before_it(tmp_path):
    path = tmp_path / "gpu.jsonl"
    path.write_text("".join(sample(BEGAN + s, gpu) for s in range(3000) for gpu in (0, 1)))
    first, second = recorded(path, BEGAN + 2000.2, {4121: "trial 3"})
    assert (first.index, second.index) == (0, 1)
    assert (first.sm, first.lost) == (2000.0, None)
    assert [each.t - BEGAN for each in first.history[-120:]] == list(range(1881, 2001))


def test_a_card_that_was_lost_before_the_moment_says_since_when(tmp_path):
    path = tmp_path / "gpu.jsonl"
    path.write_text("".join(sample(BEGAN + s) for s in range(50)))
    (lost,) = recorded(path, BEGAN + 900, {})
    assert (lost.lost, lost.sm) == (BEGAN + 49, 49.0)


def test_processes_are_named_where_they_were_known_then(tmp_path):
    path = tmp_path / "gpu.jsonl"
    path.write_text(sample(BEGAN, processes=[{"pid": 4121, "mem": 5}, {"pid": 7}, "x"]))
    (gpu,) = recorded(path, BEGAN, {4121: "trial 3"})
    assert [(user.who, user.ours) for user in gpu.users] == [
        ("trial 3", True),
        ("another process", False),
    ]
    assert recorded(path, BEGAN, {})[0].users == ()


def test_damage_in_a_recording_is_left_out(tmp_path):
    path = tmp_path / "gpu.jsonl"
    damage = '{torn\n[1]\n{"t": 1, "gpu": Infinity}\n{"t": "x", "gpu": 0}\n'
    path.write_text(damage + sample(BEGAN) + damage)
    (gpu,) = recorded(path, BEGAN + 1, {})
    assert gpu.sm == 0.0
    assert recorded(tmp_path / "none", BEGAN, {}) == ()


def test_stamps_are_read_as_the_engine_writes_them():
    assert time.mktime(time.strptime(stamp(BEGAN), "%Y-%m-%d %H:%M:%S")) == BEGAN
