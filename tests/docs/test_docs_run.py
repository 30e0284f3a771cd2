"""What the documents tell to type works, in the order in which it stands there."""

import os

import pytest
from page import blocks, play, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


SYNTH = "atft synth panel.parquet"


@pytest.fixture
def place(tmp_path, page):
    """Where a reader is: beside a panel, unless the page makes it."""
    if not any(SYNTH in block.commands for block in blocks(f"docs/{page}.md")):
        run(f"{SYNTH} --stocks 60 --days 500", tmp_path)
    return tmp_path


PAGES = ["tutorial", "plugins", "trainers", "exports"]
if os.environ.get("DRILLS") == "all":
    PAGES += ["howto", "library"]


@pytest.mark.parametrize("page", PAGES)
def test_a_reader_who_types_a_page_gets_through_it(place, page):
    play(f"docs/{page}.md", place)
