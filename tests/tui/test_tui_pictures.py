"""docs/pictures.py still draws every screen; the pictures in the documents name no machine."""

import asyncio
import importlib.util
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

DOCS = Path(__file__).parents[2] / "docs"
KEPT = DOCS / "screens"
SAYS = {
    "console": "Checklist: short sweep", "console-200x50": "full sweep:", "console-80x24": "no GPU",
    "high-contrast": "Trials", "colour-blind": "Trials", "gpu": "cpu", "verdict": "preflight",
    "trials": "marked", "checklist": "same sign", "curves": "metric 1 of", "log": "Val Metrics",
    "trial": "Loss by term", "compare": "what differs", "columns": "[x]", "evidence": "means",
    "settings": "requested", "timeline": "happened", "rewound": "rewound to", "runs": "newest",
    "before-after": "before", "start": "atft run", "stacks": "Stacks", "stop": "Stop the run now?",
    "keys": "main screen", "palette": "Search for commands",
}  # fmt: skip
"""A word that only a screen which was reached shows."""


@pytest.fixture(scope="module")
def pictures():
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "pictures.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["pictures"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_screen_is_drawn(pictures, live, monkeypatch):
    monkeypatch.setattr(pictures, "PATIENCE", 60)
    assert {picture.name for picture in pictures.PICTURES} == SAYS.keys()
    for picture in pictures.PICTURES:
        svg, text = asyncio.run(pictures.draw(picture, live))
        assert SAYS[picture.name] in text, picture.name
        assert not any(word in text for word in pictures.BUSY), picture.name
        width, height = picture.size
        assert [len(line) for line in text.splitlines()] == [width] * height, picture.name
        ElementTree.fromstring(svg)


def test_what_names_this_machine_is_told(pictures, monkeypatch):
    monkeypatch.setattr(pictures, "names", lambda: {"box", "/home/ada"})
    assert list(pictures.told("runs", "on box: /home/ada/output")) == [
        "runs shows '/home/ada'",
        "runs shows 'box'",
    ]
    assert list(pictures.told("runs", "boxes and ~/output")) == []


def test_the_documents_have_every_picture_once_and_no_other(pictures):
    names = {picture.name for picture in pictures.PICTURES}
    assert {file.stem for file in KEPT.iterdir()} == names
    assert not list(DOCS.glob("*.svg"))
    page = (DOCS / "console.md").read_text()
    shown = re.findall(r"!\[[^\]]+\]\(screens/([\w-]+)\.svg\)", page)
    assert sorted(shown) == sorted(names)
    assert "](docs/screens/console.svg)" in (DOCS.parent / "README.md").read_text()
    assert sum(file.stat().st_size for file in KEPT.iterdir()) < 2_000_000


def test_the_pictures_in_the_documents_name_no_machine():
    for file in KEPT.iterdir():
        text = file.read_text().replace("&#160;", " ")
        ElementTree.fromstring(text)
        places = re.findall(r"/(?:home|root|tmp|work|srv|mnt|Users)\b[\w./-]*", text)
        assert all(place.startswith("/home/ann/") for place in places), (file.name, places)
        assert not re.search(r"\b(?:root|localhost)\b", text), file.name
