"""The layer between Textual and the terminal: a terminal emulator must show what was asked for."""

import os
import select
import threading
import time

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from atft_tui.terminal.charset import in_ascii, says_no_unicode
from atft_tui.terminal.diff import Pen
from atft_tui.terminal.image import Image, Ink, Palette, cells_of, ink_of
from atft_tui.terminal.writer import TerminalWriter

WIDTH, HEIGHT = 12, 3
STYLES = [
    None, Style(color="#7aa2c9", bgcolor="#12161c"), Style(color="#d07a7a", bgcolor="#12161c"),
    Style(bold=True, color="#7aa2c9"), Style(reverse=True), Style(underline=True, italic=True),
]  # fmt: skip

pieces = st.tuples(
    st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1),
    st.text(st.sampled_from("ab  .─⣿日語é"), min_size=1, max_size=8), st.sampled_from(STYLES),
)  # fmt: skip
frames = st.lists(st.lists(pieces, max_size=4), min_size=1, max_size=6)


def painted(image, parts):
    for y, x, text, style in parts:
        image.put(y, x, [Strip([Segment(text, style)])], Palette())
    return image


def whole(image):
    """Halves of wide characters that were cut by what was put over them become blanks."""
    for y, row in enumerate(image.rows):
        cells = list(row)
        for x, (text, ink) in enumerate(cells):
            alone = text == "" and (x == 0 or not _wide(cells[x - 1][0]))
            cut = _wide(text) and (x + 1 == len(cells) or cells[x + 1][0] != "")
            if alone or cut:
                cells[x] = (" ", ink)
        image.rows[y] = tuple(cells)
    return image


def _wide(text):
    return text in ("日", "語") and text != ""


def emulated(width=WIDTH, height=HEIGHT):
    screen = pyte.Screen(width, height)
    screen.reset_mode(pyte.modes.DECAWM)
    return screen, pyte.Stream(screen)


def look(screen, y, x):
    cell = screen.buffer[y][x]
    return (cell.data, cell.fg, cell.bg, cell.bold, cell.reverse, cell.italics, cell.underscore)


@settings(max_examples=300, deadline=None)
@given(frames)
def test_after_every_difference_the_terminal_shows_the_frame(changes):
    screen, stream = emulated()
    other, in_full = emulated()
    pen, shown, image = Pen(), None, Image(WIDTH, HEIGHT)
    for parts in changes:
        image = whole(painted(image.copy(), parts))
        stream.feed(pen.change(shown, image))
        in_full.feed(Pen().change(None, image))
        shown = image
        for y in range(HEIGHT):
            for x in range(WIDTH):
                assert look(screen, y, x) == look(other, y, x)
                assert look(screen, y, x)[0] in (image.rows[y][x][0], " ")


def test_only_what_changed_is_sent():
    pen, old = Pen(), painted(Image(80, 24), [(3, 0, "loss .412  RankIC .038", STYLES[1])])
    pen.change(None, old)
    new = painted(old.copy(), [(3, 6, "411", STYLES[1])])
    sent = pen.change(old, new)
    assert sent.endswith("1") and sent.count("\x1b") <= 2 and len(sent) < 50
    assert pen.change(new, new.copy()) == ""


def test_a_short_gap_is_written_over_and_a_long_one_jumped():
    pen, old = Pen(), painted(Image(40, 1), [(0, 0, "a1b2c3d4" * 4, None)])
    pen.change(None, old)
    new = painted(old.copy(), [(0, 0, "x", None), (0, 3, "y", None), (0, 30, "z", None)])
    assert pen.change(old, new) == "\x1b[1Hx1by\x1b[26Cz"


def test_colours_are_sent_once_and_only_where_they_differ():
    pen = Pen()
    image = painted(Image(6, 1), [(0, 0, "abc", STYLES[1]), (0, 3, "def", STYLES[2])])
    sent = pen.change(None, image)
    assert sent.count("48;2;18;22;28") == 1
    assert sent.count("38;2;") == 2


def test_nothing_that_a_terminal_obeys_passes():
    text = "a\x1b]52;c;Zm9v\x07b\x9b31mc\u202ed\r\n\x08"
    shown = "".join(cell for cell, _ in cells_of(text, Ink()))
    assert shown.isprintable()
    assert "]52;c;Zm9" in shown  # seen, not obeyed


def test_wide_characters_take_two_cells_and_are_never_half_sent():
    assert [text for text, _ in cells_of("日a", Ink())] == ["日", "", "a"]
    pen, old = Pen(), painted(Image(6, 1), [(0, 0, "日語ab", None)])
    pen.change(None, old)
    new = whole(painted(old.copy(), [(0, 1, "x", None)]))
    assert pen.change(old, new) == "\x1b[1H x"


def test_without_colours_what_is_left_is_weight():
    style = Style(bold=True, color="#ff0000", bgcolor="#000000")
    assert ink_of(style, None) == Ink("1")
    assert ink_of(style, ColorSystem.STANDARD).foreground in ("31", "91")
    assert ink_of(style, ColorSystem.TRUECOLOR).foreground == "38;2;255;0;0"


@pytest.mark.parametrize(
    ("text", "drawn"),
    [("╭─ 1 GPU ─╮", "+- 1 GPU -+"), ("▁▃▅█", "_-=#"), ("⣿⠁⡀ ⠀", ":'.  "), ("日立…", "????~")],
)
def test_ascii_has_a_likeness_in_as_many_cells(text, drawn):
    assert in_ascii(text) == drawn
    assert len(cells_of(text, Ink(), ascii_only=True)) == len(drawn)


@pytest.mark.parametrize(
    ("environ", "answer"),
    [({}, False), ({"LANG": "C"}, False), ({"LANG": "en_US.UTF-8"}, False),
     ({"LANG": "en_US.utf8"}, False), ({"LANG": "ja_JP.eucJP"}, True),
     ({"LANG": "en_US.UTF-8", "LC_ALL": "de_DE.ISO-8859-1@euro"}, True)],
)  # fmt: skip
def test_a_locale_that_names_another_character_set_means_ascii(environ, answer):
    assert says_no_unicode(environ) is answer


# The thread that writes.


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        os.close(fd)


def started(fd, period=0.0):
    thread = TerminalWriter(fd, period)
    thread.start()
    thread.open()
    return thread


def received(reader, until):
    data = ""
    while until not in data:
        data += os.read(reader, 1 << 20).decode()
    return data


def test_a_terminal_that_reads_nothing_holds_nobody_up_and_gets_the_newest_frame(pipe):
    reader, writer = pipe
    thread = started(writer)
    image = Image(200, 50)
    for n in range(400):  # more than any pipe holds
        image = painted(image.copy(), [(y, 0, f"{n:05d}" * 40, None) for y in range(50)])
        thread.frame(image)
    assert thread.is_alive()
    thread.control("THE END")
    text = received(reader, "THE END")
    screen, stream = emulated(200, 50)
    stream.feed(text.replace("THE END", ""))
    thread.stop()
    stream.feed(os.read(reader, 1 << 20).decode() if _ready(reader) else "")
    assert set(screen.display) == {"00399" * 40}
    assert len(text) < 400 * 200 * 50 / 4  # most frames were never sent


def _ready(reader):
    return bool(select.select([reader], [], [], 0.2)[0])


def test_frames_wait_for_their_turn_unless_a_key_was_pressed(pipe):
    reader, writer = pipe
    thread = started(writer, period=30.0)
    thread.frame(painted(Image(5, 1), [(0, 0, "first", None)]))
    assert "first" in received(reader, "first")
    thread.frame(painted(Image(5, 1), [(0, 0, "other", None)]))
    assert not _ready(reader)
    thread.hurry()
    received(reader, "other")
    thread.stop()


def test_controls_keep_their_order_and_no_frame_follows_the_end(pipe):
    reader, writer = pipe
    thread = started(writer)
    thread.control("<alt>")
    thread.frame(painted(Image(5, 1), [(0, 0, "frame", None)]))
    received(reader, "frame")
    thread.shut()
    thread.frame(painted(Image(5, 1), [(0, 0, "after", None)]))
    thread.control("<shell>")
    thread.stop()
    rest = os.read(reader, 1 << 16).decode()
    assert rest == "<shell>"
    assert not thread.is_alive()


def test_a_terminal_that_is_gone_ends_the_thread():
    reader, writer = os.pipe()
    os.close(reader)
    thread = started(writer)
    thread.control("x")
    thread.join(5)
    assert not thread.is_alive()
    os.close(writer)


def test_a_stop_does_not_wait_for_a_terminal_that_reads_nothing(pipe):
    _, writer = pipe
    thread = started(writer)
    thread.control("x" * (1 << 22))
    began = time.monotonic()
    thread.stop(patience=0.2)
    assert time.monotonic() - began < 30
    assert thread in threading.enumerate()  # still writing, and a daemon: the process may end
