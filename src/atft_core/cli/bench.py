"""Measure this machine: `atft bench feed|step|console|engine`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from atft_core.cli.output import print_json, say, table
from atft_core.engine.local import environment
from atft_core.errors import AtftError, UsageError
from atft_core.launch import program
from atft_core.run.files import write_json

Found = dict[str, Any]
HELP = """Usage: atft bench KIND [SIZES] [--out FILE] [--json]

  Measure this machine, on panels made for it: ratios from one run.

  feed     what the feeds deliver, against the copy limit and other loaders (2 minutes)
  step     a block of days against its windows one by one; the rank losses (4 minutes)
  console  first frame, bytes and processor time of the console on a live run
  engine   events and trials per second

  `atft bench KIND --help` lists the sizes. Example: atft bench step --stocks 300 --out step.json"""


def run(kind: str, options: Sequence[str], *, out: Path | None, as_json: bool) -> None:
    """Run a benchmark in an interpreter like a worker's; print and, if asked to, keep the result.

    Progress goes to standard error. An `out` that is a directory gets `KIND.json` in it.
    """
    if kind in ("-h", "--help"):
        say(HELP)
        return
    if kind not in TABLES:
        what = f"there is no benchmark {kind!r}." if kind else "which benchmark?"
        raise UsageError(
            what,
            hint=f"One of {', '.join(TABLES)}; minutes each. `atft bench feed --help`: its sizes.",
        )
    target = _place(out, kind) if out is not None else None
    command = program("atft_core.bench", kind, *options)
    wants_help = any(option in ("-h", "--help") for option in options)
    done = subprocess.run(
        command,
        stdout=None if wants_help else subprocess.PIPE,
        text=True,
        check=False,
        env=environment(),
    )
    if wants_help:
        return
    if done.returncode == UsageError.exit_code:
        raise UsageError(
            "the sizes are wrong, see above.", hint=f"`atft bench {kind} --help` lists them."
        )
    if done.returncode:
        raise AtftError(f"the benchmark ended with exit code {done.returncode}.")
    found: Found = json.loads(done.stdout)
    if target is not None:
        write_json(target, found, durable=False)
    if as_json:
        print_json(found)
        return
    say(TABLES[kind](found))
    machine = found["machine"]
    say(f"{machine['cpu']}, {machine['cores']} cores, load {machine['load']}, {machine['date']}")


def _place(out: Path, kind: str) -> Path:
    """The file for the result; what cannot be written is refused before minutes of measuring."""
    target = out / f"{kind}.json" if out.is_dir() else out
    target.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(target.parent, os.W_OK):
        raise UsageError(f"--out {out}: {target.parent} cannot be written to.")
    return target


def _feed(found: Found) -> str:
    header = ["feed", "N", "T", "F", "L", "B", "fraction of copy"]
    grid = [
        [str(row[key]) for key in ("feed", "N", "T", "F", "L", "B", "fraction_of_copy")]
        for row in found["grid"]
    ]
    peers = [
        [row["name"], f"{row['ratio']:,.0f} x" if row["ratio"] else f"- ({row['why']})"]
        for row in found["peers"]
    ]
    return "\n".join(
        [
            f"copy limit {found['copy_gb_per_cpu_s']} GB per second of processor time",
            table([header, *grid], right=range(1, 7)),
            "",
            "ours against, windows per second of processor time:",
            table(peers),
            "",
            f"ring {found['ring']['ratio']} x ({found['ring']['against']})",
            f"{found['memory']['processes']} processes: {found['memory']['ratio']} x the panel",
            f"opened and first block in {found['open']['seconds']} s",
        ]
    )


def _step(found: Found) -> str:
    header = ["part", "B", "graph", "ratio", "ideal"]
    rows = [
        [str(row[key]) for key in ("part", "B", "graph", "ratio", "ideal")]
        for row in found["block"]
    ]
    losses = [
        [row["term"], str(row["N"]), f"{row['ratio']} x", f"cosine {row['gradient_cosine']}"]
        for row in found["rank_loss"]
    ]
    shares = ", ".join(f"{name} {share:.0%}" for name, share in found["shares"].items())
    return "\n".join(
        [
            "a block of B days against its windows one by one:",
            table([header, *rows], right=(1, 3, 4)),
            f"errors: output {found['max_output_error']:.1e}, "
            f"gradient {found['max_gradient_error']:.1e}",
            f"shares of a step: {shares}",
            "",
            "rank losses against pairwise soft ranks, by stocks:",
            table(losses, right=(1, 2)),
        ]
    )


def _console(found: Found) -> str:
    live = [
        ["all panes live, bytes/s", "bytes_per_s"], ["  plain Textual", "peer_bytes_per_s"],
        ["1,000 log lines a second add", "burst_adds_bytes_per_s"],
        ["share of one core", "processor_share"], ["  plain Textual", "peer_processor_share"],
        ["  with the log", "burst_processor_share"],
        ["  nothing heard", "silent_processor_share"], ["  run ended", "idle_processor_share"],
        ["memory, MB", "rss_mb"],
    ]  # fmt: skip
    head = ["", *(f"{row['columns']}x{row['rows']}" for row in found["live"])]
    rows = [[name, *(f"{row[key]:,}" for row in found["live"])] for name, key in live]
    first, key, attach = found["first_frame"], found["key"], found["attach"]
    return "\n".join(
        [
            table([head, *rows], right=(1, 2)),
            "",
            f"first frame {first['seconds']} s, {first['ratio']} x a bare Textual app",
            f"key to first byte {key['median_ms']} ms, one in twenty above {key['p95_ms']} ms",
            f"attached to {attach['trials']:,} trials {attach['seconds_with_snapshot']} s after "
            f"the first frame, without a snapshot {attach['seconds_without_snapshot']} s "
            f"(Python's JSON alone needs {attach['json_seconds']} s for that log)",
        ]
    )


def _engine(found: Found) -> str:
    events, study, supervised = found["events"], found["study"], found["supervision"]
    again = found["restarts"]
    return table(
        [
            ["events folded", f"{events['fold_per_s']:,} /s"],
            ["events written to disk", f"{events['durable_per_s']:,} /s"],
            [f"attaching to {events['count']:,} events", f"{events['attach_seconds']} s"],
            ["asking, reporting and telling a trial", f"{study['seconds_per_trial']} s"],
            [
                "trials that compute nothing, supervised",
                f"{supervised['engine_trials_per_s']} /s, {supervised['ratio']}x of a bare loop",
            ],
            ["of a core, while a trial trains", f"{100 * supervised['watching_cpu_share']:.1f} %"],
            ["a new engine at work after a kill", _with_imports(again, "engine_to_adopted")],
            ["a new worker at work after a kill", _with_imports(again, "worker_to_training")],
        ]
    )


def _with_imports(again: Found, what: str) -> str:
    imports = again[f"{what.partition('_')[0]}_import_s"]
    return f"{again[f'{what}_s']} s; {imports} s are what Python needs for all its imports"


TABLES: dict[str, Callable[[Found], str]] = {
    "feed": _feed,
    "step": _step,
    "console": _console,
    "engine": _engine,
}
"""What can be measured, and how it is shown."""
