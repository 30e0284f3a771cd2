"""What a process loads: seconds and hundreds of megabytes hang on it."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "optuna", "polars", "pyarrow", "scipy", "numpy", "pydantic", "textual", "typer")


def loaded(code: str) -> set[str]:
    """Top-level modules in a fresh interpreter after `code`."""
    script = f"{code}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_the_version_is_told_without_loading_anything():
    code = "import sys; sys.argv = ['atft', '--version']; from atft_core.cli import main; main()"
    assert not loaded(code).intersection(HEAVY)


@pytest.mark.parametrize("module", ["atft_core.run.status", "atft_core.run.judge.gates",
                                    "atft_core.run.judge.criteria", "atft_core.launch",
                                    "atft_core.notify.deliver",
                                    "atft_core.notify.outbox"])  # fmt: skip
def test_the_contract_of_the_run_directory_is_plain_python(module):
    assert not loaded(f"import {module}").intersection(HEAVY)


def test_a_worker_is_free_of_polars_optuna_and_textual():
    found = loaded("import atft_core.train.worker")
    assert not found.intersection({"polars", "optuna", "textual", "typer"})


def test_status_does_not_load_torch():
    found = loaded("import atft_core.cli.status")
    assert not found.intersection({"torch", "optuna", "polars", "pyarrow", "scipy"})
