"""The room that is kept aside: given once, when the disk is full, and then never again."""

import errno
from types import SimpleNamespace

import pytest

from atft_core.engine import reserve as module
from atft_core.engine.reserve import FULL_BYTES, RESERVE_BYTES, Reserve


def full():
    raise OSError(errno.ENOSPC, "No space left on device")


def test_it_has_its_size_and_leaves_nothing(tmp_path):
    reserve = Reserve(tmp_path)
    reserve.keep()
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [RESERVE_BYTES]
    assert not reserve.disk_is_full()
    reserve.release()
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_finds_no_room_is_done_once_more(tmp_path):
    reserve = Reserve(tmp_path)
    reserve.keep()
    seen = []

    def step():
        seen.append(any(tmp_path.iterdir()))
        if len(seen) == 1:
            full()
        return "written"

    assert reserve.write(step) == "written"
    assert seen == [True, False]
    assert reserve.disk_is_full()
    with pytest.raises(OSError, match="No space left"):
        reserve.write(full)


def test_another_error_is_none_of_its_business(tmp_path):
    reserve = Reserve(tmp_path)
    reserve.keep()
    with pytest.raises(ZeroDivisionError):
        reserve.write(lambda: 1 / 0)
    assert any(tmp_path.iterdir())


def test_little_room_counts_as_none(tmp_path, monkeypatch):
    reserve = Reserve(tmp_path)
    reserve.keep()
    little = SimpleNamespace(disk_usage=lambda path: SimpleNamespace(free=FULL_BYTES - 1))
    monkeypatch.setattr(module, "shutil", little)
    assert reserve.disk_is_full()
    assert list(tmp_path.iterdir()) == []
