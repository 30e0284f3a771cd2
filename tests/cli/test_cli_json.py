"""What programs read: one JSON document per command, with the content that is promised."""

import json
import subprocess
import sys
from itertools import pairwise

import polars as pl
import pytest
from run_builders import dry_run, written

from atft_core import __version__
from atft_core.config.keys import DESCRIPTIONS

PANEL = ("--data-path", "p.parquet")
SIZE = ("--stocks", "30", "--days", "200", "--signal", "1", "--seed", "4")
HEAVY = {"torch", "optuna", "polars", "pyarrow", "scipy", "numpy", "pydantic", "typer", "click"}


def strict(text: str):
    """The one document in `text`; NaN and Infinity are no JSON."""

    def refuse(name):
        raise AssertionError(f"{name} in {text}")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small panel, and what `synth` said about it."""
    path = tmp_path_factory.mktemp("synth") / "p.parquet"
    command = [sys.executable, "-m", "atft_core", "synth", str(path), *SIZE, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return path, strict(done.stdout)


@pytest.fixture
def panel(made, tmp_path):
    """The panel as p.parquet in the current directory."""
    path = tmp_path / "p.parquet"
    path.write_bytes(made[0].read_bytes())
    return path


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_the_version_is_told_before_anything_heavy_is_imported(option):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "atft_core", option],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"atft {__version__}\n"
    names = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "atft_core.cli" in names
    assert not {name.partition(".")[0] for name in names} & HEAVY


@pytest.mark.parametrize("directory", [".", "run", "nowhere", "", "--all", "run/ab"])
def test_status_for_programs_is_the_same_without_the_parser(tmp_path, directory):
    for name in ("run", "run/ab"):
        written(dry_run(), tmp_path / name)
    (tmp_path / "--all").mkdir()
    quick, whole = (
        subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "atft_core", "status", *words],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )
        for words in ([directory, "--json"], ["--json", directory])
    )  # fmt: skip
    assert (quick.returncode, quick.stdout) == (whole.returncode, whole.stdout)
    said = [
        [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
        for done in (quick, whole)
    ]
    assert said[0] == said[1]
    names = {line.rpartition("|")[2].strip() for line in quick.stderr.splitlines()}
    assert ("typer" in names) == directory.startswith("-")


def test_synth_writes_what_it_says(made):
    path, said = made
    assert said == {"path": str(path), "stocks": 30, "days": 200, "signal": 1.0, "seed": 4}
    rows = pl.read_parquet(path)
    assert (rows["code"].n_unique(), rows["date"].n_unique()) == (30, 200)
    assert set(rows.columns) >= {"date", "code", "open", "high", "low", "close", "volume"}


def test_synth_repeats_itself_by_seed_and_overwrites_nothing(atft, panel):
    first = panel.read_bytes()
    done = atft("synth", "p.parquet")
    assert (done.code, done.out) == (2, "")
    assert "p.parquet exists already" in done.err
    assert panel.read_bytes() == first
    atft("synth", "same.parquet", *SIZE)
    assert atft("synth", "other.parquet", *SIZE[:-1], "5").code == 2  # other sectors, same place
    atft("synth", "there/other.parquet", *SIZE[:-1], "5")
    same, other = pl.read_parquet("same.parquet"), pl.read_parquet("there/other.parquet")
    assert pl.read_parquet(panel).equals(same)
    assert not other.equals(same)


def test_a_panel_is_built_once_and_described(atft, panel, tmp_path):
    built = [strict(atft("data", "build", *PANEL, "--json").out) for _ in range(2)]
    assert [found.pop("built") for found in built] == [True, False]
    assert built[0] == built[1]
    cache = tmp_path / "cache"
    (file,) = cache.rglob("*.arrow")
    assert built[0] == {
        "cache": str(file), "bytes": file.stat().st_size, "dtype": "bfloat16",
    }  # fmt: skip
    found = strict(atft("data", "info", *PANEL, "--json").out)
    rows = pl.read_parquet(panel)
    assert (found["path"], found["cache"]) == (str(panel), str(file))
    assert (found["rows"], found["stocks"], found["days"]) == (len(rows), 30, 200)
    assert (found["first"], found["last"]) == (str(rows["date"].min()), str(rows["date"].max()))
    assert [row["horizon"] for row in found["labels"]] == [1, 5, 10, 20]
    assert all(0.5 < row["coverage"] <= 1 for row in found["labels"])
    assert all(row["doc"] and 0 <= row["coverage"] <= 1 for row in found["features"])


def test_the_split_that_info_shows_is_in_order_and_purged(atft, panel):
    found = strict(atft("data", "info", *PANEL, "--json").out)
    calendar = pl.read_parquet(panel)["date"].unique().sort().to_list()
    place = {day.isoformat(): i for i, day in enumerate(calendar)}
    parts = [(row["part"], place[row["first"]], place[row["last"]]) for row in found["split"]]
    assert [name for name, _, _ in parts] == ["train", "val", "holdout"]
    assert [row["days"] for row in found["split"]] == [last - first + 1 for _, first, last in parts]
    for (_, _, last), (_, first, _) in pairwise(parts):
        assert first - last > 20, "the longest horizon lies between two parts"


def test_a_sound_panel_has_no_errors_and_a_broken_one_is_named_with_exit_code_1(atft, panel):
    done = atft("data", "check", *PANEL, "--json")
    assert done.code == 0
    found = strict(done.out)
    assert found["errors"] == 0
    assert {row["severity"] for row in found["findings"]} <= {"warning"}
    rows = pl.read_parquet("p.parquet")
    rows.with_columns(close=pl.when(pl.col("code") == "SYN0003").then(-1.0).otherwise("close")
                      ).write_parquet("bad.parquet")  # fmt: skip
    done = atft("data", "check", "--data-path", "bad.parquet", "--json")
    assert done.code == 1
    found = strict(done.out)
    first = found["findings"][0]
    assert (found["errors"], first["rule"]) == (1, "non_positive_price")
    assert first["count"] == len(rows.filter(pl.col("code") == "SYN0003"))
    assert "SYN0003" in first["first"][0]
    assert first["action"]


def test_every_key_is_shown_with_value_origin_and_meaning(atft, tmp_path, monkeypatch):
    monkeypatch.setenv("CS_IC_WEIGHT", "0.4")
    (tmp_path / "atft.toml").write_text("[train]\nseed = 7\n")
    done = atft("config", "show", "--origin", "--set", "train.max_epochs=5", "--json")
    assert done.code == 0
    found = strict(done.out)
    assert set(found["keys"]) == set(DESCRIPTIONS)
    assert all(key.keys() == {"value", "origin", "meaning"} for key in found["keys"].values())
    shown = {name: (key["value"], key["origin"]) for name, key in found["keys"].items()}
    assert shown["train.max_epochs"] == (5, "--set")
    assert shown["train.seed"] == (7, "atft.toml")
    assert shown["loss.cs_ic"] == (0.4, "environment")
    assert shown["loss.rank_ic"] == (0.5, "default")
    assert [n["name"] for n in found["environment"]] == ["CS_IC_WEIGHT"]


def test_origins_are_shown_to_people_as_comments_when_asked(atft):
    plain = atft("config", "show", "--set", "train.seed=7").out
    with_origin = atft("config", "show", "--set", "train.seed=7", "--origin").out
    assert "seed = 7" in plain
    (line,) = [line for line in with_origin.splitlines() if line.startswith("seed = 7")]
    assert "--set" in line
    assert "--set" not in plain


def test_doctor_reports_versions_device_disk_and_environment(atft, monkeypatch):
    monkeypatch.setenv("PERSISTENT_WORKERS", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    done = atft("doctor", "--json")
    found = strict(done.out)
    assert (done.code, found["ok"]) == (0, True)
    rows = {row["name"]: row for row in found["findings"]}
    assert all(row.keys() == {"name", "verdict", "detail"} for row in rows.values())
    assert rows["atft"]["detail"].startswith(__version__)
    assert rows.keys() >= {"python", "torch", "torch device", "NVML", "C compiler", "disk here"}
    assert rows["PERSISTENT_WORKERS"]["detail"].startswith("1: accepted, inactive")
    assert rows["OMP_NUM_THREADS"]["verdict"] == "note"
    assert "spawn" in rows["start method"]["detail"]


def test_doctor_finds_a_name_that_would_stop_every_run(atft, monkeypatch):
    monkeypatch.setenv("ATFT_TRAIN_MAX_EPOCH", "3")
    done = atft("doctor", "--json")
    found = strict(done.out)
    assert (done.code, found["ok"]) == (1, False)
    (row,) = [row for row in found["findings"] if row["verdict"] == "error"]
    assert "train.max_epochs" in row["detail"]
