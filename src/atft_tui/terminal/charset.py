"""The screen in plain ASCII, for terminals and fonts that know nothing else.

Also for terminals that are set to draw line and braille characters two cells wide, as East Asian
ones often are: there every frame falls apart.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len

_LINES = {
    "─━╌╍┄┅╴╶═": "-", "│┃╎╏┆┇║▏▕": "|", "╭╮╰╯┌┐└┘├┤┬┴┼╔╗╚╝╠╣╦╩╬": "+",
    "…": "~", "·•": ".", "±": "+", "×": "x", "→": ">", "←": "<", "↑": "^", "↓": "v",
    "▁▂": "_", "▃▄": "-", "▅▆": "=", "▇█▊▉▋▌▍▎▐": "#", "░▒▓": ":", "▔▀": "^",
    "✓": "v", "✗": "x", "–—−": "-", "“”": '"', "‘’": "'", "\u00a0": " ",
}  # fmt: skip
_TABLE = {ord(old): new for many, new in _LINES.items() for old in many}
_UPPER, _LOWER = 0x1 | 0x2 | 0x8 | 0x10, 0x4 | 0x20 | 0x40 | 0x80
"""The dots in the upper and in the lower half of a braille cell."""


def _braille(bits: int) -> str:
    upper, lower = bool(bits & _UPPER), bool(bits & _LOWER)
    return {(False, False): " ", (True, False): "'", (False, True): ".", (True, True): ":"}[
        upper, lower
    ]


_TABLE |= {0x2800 + bits: _braille(bits) for bits in range(256)}


def in_ascii(text: str) -> str:
    """`text` in as many cells of ASCII; what has no likeness is a question mark."""
    if text.isascii():
        return text
    drawn = text.translate(_TABLE)
    if drawn.isascii():
        return drawn
    return "".join(c if c.isascii() else "?" * cell_len(c) for c in drawn)


def says_no_unicode(environ: Mapping[str, str]) -> bool:
    """Whether the locale names a character set, and that is not UTF-8.

    A locale that names none (C, POSIX, nothing) says nothing about the terminal at the other end.
    """
    locale = next((environ[n] for n in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(n)), "")
    _, dot, named = locale.partition(".")
    return bool(dot) and named.partition("@")[0].lower().replace("-", "") != "utf8"
