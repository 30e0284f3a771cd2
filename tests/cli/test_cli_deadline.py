"""`--until`: a clock time is the next one of its kind, a date is itself, the past is refused."""

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from atft_core.cli.start import deadline
from atft_core.errors import UsageError

ZONE = ZoneInfo("Asia/Tokyo")
NOW = datetime(2026, 3, 4, 22, 30, 15)


@pytest.fixture
def zone(monkeypatch, request):
    """The machine's time zone."""
    monkeypatch.setenv("TZ", getattr(request, "param", "Asia/Tokyo"))
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("23:00", datetime(2026, 3, 4, 23, 0, tzinfo=ZONE)),
        ("07:00", datetime(2026, 3, 5, 7, 0, tzinfo=ZONE)),
        ("22:30", datetime(2026, 3, 5, 22, 30, tzinfo=ZONE)),
        ("2026-03-05T01:00", datetime(2026, 3, 5, 1, 0, tzinfo=ZONE)),
        ("2026-03-04 22:31:05", datetime(2026, 3, 4, 22, 31, 5, tzinfo=ZONE)),
        ("2026-03-04T14:00+00:00", datetime(2026, 3, 4, 14, 0, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_the_zone_of_the_machine_unless_it_names_its_own(zone, text, wanted):
    assert deadline(text, NOW) == wanted.timestamp()


@pytest.mark.parametrize("zone", ["Europe/Berlin"], indirect=True)
@pytest.mark.parametrize("text", ["07:00", "2026-10-25T07:00"])
def test_the_clock_on_the_wall_counts_in_the_night_in_which_it_is_changed(zone, text):
    wanted = datetime(2026, 10, 25, 7, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    assert deadline(text, datetime(2026, 10, 24, 23, 0)) == wanted.timestamp()


def test_no_time_is_no_deadline():
    assert deadline("", NOW) is None


@pytest.mark.parametrize("text", ["2026-03-04T22:30", "2020-01-01", "2026-03-04T13:00+00:00"])
def test_the_past_is_refused(zone, text):
    with pytest.raises(UsageError, match="lies in the past"):
        deadline(text, NOW)


@pytest.mark.parametrize("text", ["soon", "25:00", "7", "07:60", "tomorrow 07:00"])
def test_what_is_no_time_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match="is no time") as caught:
        deadline(text, NOW)
    assert "07:00" in caught.value.hint
