"""Is this checkout fit to be released? Version, changelog, tag and wheel have to agree.

python .ci/release.py            say what is missing
python .ci/release.py --tag      and set the tag where nothing is
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
NEEDED = (
    "atft_core/configs/runbook.toml", "atft_core/configs/cpu.toml", "atft_core/configs/demo.toml",
    "atft_core/configs/objective/rank.toml", "atft_core/report/page.html.j2",
    "atft_core/py.typed", "atft_tui/py.typed", "atft_core/writer.py",
)  # fmt: skip


def version() -> str:
    """As the package says it."""
    text = (ROOT / "src" / "atft_core" / "__init__.py").read_text()
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    return found[1] if found else ""


def problems() -> Iterator[str]:
    """What stands against a release."""
    own = version()
    yield from problems_of_texts(own)
    if _git("status", "--porcelain"):
        yield "the checkout has changes that are not committed"
    if f"v{own}" in _git("tag", "--list").split():
        yield f"the tag v{own} exists: raise the version"
    yield from _of_wheel(own)


def problems_of_texts(own: str) -> Iterator[str]:
    """Where files say another version, or nothing of this one."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    if own != declared:
        yield f"pyproject.toml says {declared}, atft_core says {own}"
    heading = f"## {own} ("
    log = (ROOT / "CHANGELOG.md").read_text()
    if heading not in log:
        yield f"CHANGELOG.md has no section {heading}DATE)"
    elif f"{heading}unreleased)" in log:
        yield f"CHANGELOG.md calls {own} unreleased: give it its date"


def _of_wheel(own: str) -> Iterator[str]:
    with TemporaryDirectory(prefix="atft-release-") as place:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", place, "."]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        wheels = list(Path(place).glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            yield f"no wheel can be built: {done.stderr.strip()[-300:]}"
            return
        if not wheels[0].name.startswith(f"atft-{own}-"):
            yield f"the wheel is called {wheels[0].name}"
        with zipfile.ZipFile(wheels[0]) as held:
            lost = [name for name in NEEDED if name not in held.namelist()]
        if lost:
            yield f"the wheel lacks {', '.join(lost)}"


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> int:
    """Exit code 1 where something stands against it."""
    found = list(problems())
    for problem in found:
        print(f"not yet: {problem}")
    if found:
        return 1
    if "--tag" in sys.argv[1:]:
        _git("tag", "--annotate", f"v{version()}", "--message", f"atft {version()}")
    print(f"atft {version()} can be released: python -m build, then twine upload dist/*")
    return 0


if __name__ == "__main__":
    sys.exit(main())
