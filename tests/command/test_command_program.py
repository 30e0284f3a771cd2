"""A program's words, whatever it prints. Heard in a process of its own: whoever has a program ends
all its children.
"""

import json
import subprocess
import sys

import pytest

HEAR = """
import json, sys
from pathlib import Path
from atft_core.command.program import Program
program = Program([sys.executable, "-c", sys.argv[1]], {}, Path.cwd())
print(json.dumps([line for line in program.lines(0.1) if line]))
program.clear()
"""


@pytest.mark.parametrize(("wide", "cut"), [(60_000, False), (70_000, True), (200_000, True)])
def test_a_line_that_is_too_long_says_that_it_was_cut(wide, cut):
    say = f"import json; print(json.dumps({{'epoch': 1, 'score': 0.5, 'x': 'x' * {wide}}}))"
    done = subprocess.run(
        [sys.executable, "-c", HEAR, say], capture_output=True, text=True, check=True, timeout=60
    )
    first, *_ = json.loads(done.stdout)
    assert first.startswith('{"epoch": 1')
    assert first.endswith(" [cut after 64 KiB]") == cut
    assert len(first) < 66_000
    assert cut or json.loads(first)["score"] == 0.5
