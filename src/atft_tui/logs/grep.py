"""A process that matches lines, and ends when that takes too long.

Its first line of input are the expressions, each further one is a list of lines; the answer is a
string with a 1 for each that is kept. Some expressions take for ever, and nothing but the end of a
process stops one: the kernel ends this one when a list has cost it SECONDS of processor time.
"""

from __future__ import annotations

import json
import re
import signal
import sys

SECONDS = 1.0


def main() -> None:
    """Answer until the other side is gone."""
    include, exclude = (
        [re.compile(pattern) for pattern in patterns] for patterns in json.loads(input())
    )
    for asked in iter(sys.stdin.readline, ""):
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        kept = "".join(
            "1" if all(p.search(line) for p in include)
            and not any(p.search(line) for p in exclude) else "0"
            for line in json.loads(asked)
        )  # fmt: skip
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.write(f"{kept}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
