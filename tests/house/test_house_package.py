"""The wheel holds all that atft needs, and runs where there is no checkout."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / ".ci"))

import release  # noqa: E402 -- from there


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A fresh environment with the wheel; what it depends on is taken from this one."""
    place = tmp_path_factory.mktemp("package")
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", place, ROOT]
    subprocess.run(wheel, check=True)
    subprocess.run([sys.executable, "-m", "venv", place / "venv"], check=True)
    (wheel,) = place.glob("*.whl")
    pip = [place / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, wheel], check=True)
    (packages,) = (place / "venv" / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return place


def run(place, *words):
    homes = {f"XDG_{name}_HOME": str(place / name) for name in ("STATE", "CACHE", "CONFIG")}
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | homes
    return subprocess.run(
        list(map(str, words)), cwd=place, env=env, capture_output=True,
        text=True, timeout=300, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.mark.slow
def test_the_wheel_runs_without_a_checkout(installed):
    bin_ = installed / "venv" / "bin"
    where = run(installed, bin_ / "python", "-c", "import atft_core; print(atft_core.__file__)")
    assert where.stdout.startswith(str(installed))
    assert run(installed, bin_ / "atft", "--version").stdout.strip() == f"atft {release.version()}"
    shown = run(installed, bin_ / "atft", "config", "show", "--config", "objective/rank")
    assert shown.returncode == 0 and "max_epochs = 12" in shown.stdout
    demo = run(installed, bin_ / "atft-tui", "--demo")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "PASS" in demo.stdout


@pytest.mark.slow
def test_a_shell_completes_its_commands(installed):
    words = {"_ATFT_COMPLETE": "complete_bash", "COMP_WORDS": "atft st", "COMP_CWORD": "1"}
    done = subprocess.run(
        [installed / "venv" / "bin" / "atft"], env={**os.environ, **words}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["stop", "status", "stacks"]


def test_what_a_release_needs_is_what_is_there():
    assert release.version()
    found = list(release.problems_of_texts(release.version()))
    assert found in ([], [f"CHANGELOG.md calls {release.version()} unreleased: give it its date"])
