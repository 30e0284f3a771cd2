"""The first frame comes before anything heavy is loaded: seconds over SSH hang on it."""

import json
import subprocess
import sys

HEAVY = {"torch", "optuna", "polars", "pyarrow", "scipy", "numpy", "pydantic", "typer"}
FRAME = """
import asyncio, json, sys
from pathlib import Path
from atft_core.run.runbook import load
from atft_tui.app import ConsoleApp

async def frame():
    app = ConsoleApp(load(Path(sys.argv[1])))
    async with app.run_test(size=(120, 34)) as pilot:
        while app.view is None or not app.view.stages:
            await pilot.pause(0.02)
        await pilot.pause()
        await pilot.press("question_mark")
        await pilot.press("escape")

asyncio.run(frame())
print(json.dumps(sorted(sys.modules)))
"""


def test_the_first_frame_loads_nothing_heavy(book, finished):
    done = subprocess.run(
        [sys.executable, "-c", FRAME, str(book.path)], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}
    assert {"textual", "atft_tui", "psutil"} <= loaded
    assert not loaded & HEAVY
