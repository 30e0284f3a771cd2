"""A runbook is read as a whole or refused with the file, the key and the fix."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from atft_core.errors import RunDirectoryError, UsageError
from atft_core.run.judge.criteria import CRITERIA
from atft_core.run.runbook import load, stage_from_json, stage_to_json
from atft_core.run.shipped import shipped, typed
from atft_core.run.stages import CriterionSpec, Remedy, Stage

STAGE = """
[[stage]]
key = "dry"
title = "dry run"
hotkey = "d"
study_name = "s_dry"
output_dir = "output/dry"
n_trials = 1
max_epochs = 2
criteria = [{ name = "epoch_seconds", minimum = 360, target = 300 }]
"""
SECOND = STAGE.replace("dry", "short").replace('"d"', '"s"') + 'requires = "dry"\n'


def write(tmp_path, text):
    path = tmp_path / "book.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(tmp_path, text):
    with pytest.raises(UsageError) as error:
        load(write(tmp_path, text))
    assert "book.toml" in error.value.message
    assert error.value.hint
    return f"{error.value.message} | {error.value.hint}"


# --- the shipped ones


def test_the_shipped_runbook_is_the_plan():
    book = load(shipped("runbook.toml"))
    assert not book.demo
    rows = [(s.key, s.hotkey, s.n_trials, s.max_epochs, s.requires, s.gate, str(s.output_dir))
            for s in book.stages]  # fmt: skip
    assert rows == [
        ("dry", "d", 1, 2, "", "minimum", "output/hpo_dryrun"),
        ("short", "s", 5, 10, "dry", "minimum", "output/hpo_short"),
        ("full", "f", 20, 15, "short", "minimum", "output/hpo_full"),
    ]
    assert book.stage("dry").study_name == "atft_dryrun"
    bars = {c.name: (c.minimum, c.target) for c in book.stage("dry").criteria}
    assert bars["gpu_utilisation"] == (40, 60)
    assert bars["epoch_seconds"] == (360, 300)
    assert bars["val_rank_ic"] == (-0.01, 0)
    assert {c.name: (c.minimum, c.target) for c in book.stage("short").criteria}["val_rank_ic"] == (
        0, 0.04,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["runbook.toml", "demo.toml"])
def test_every_shipped_stage_has_the_rows_of_the_plan(name):
    book = load(shipped(name))
    setup = {"feed", "start_method", "loss_weights", "all_batches", "val_logging_off"}
    quality = {n for n, criterion in CRITERIA.items() if criterion.needs_horizon}
    for stage in book.stages:
        names = {spec.name for spec in stage.criteria}
        assert names >= setup | {"epoch_seconds", "no_crash", "val_rank_ic"}
        assert stage.key == "dry" or names >= quality
        assert all(spec.horizon == 1 for spec in stage.criteria if spec.name in quality)
        assert ("gpu_utilisation" in names, "stall_share" in names) == (not book.demo, book.demo)
        assert stage.remedies


@pytest.mark.parametrize("name", ["runbook.toml", "demo.toml"])
def test_shipped_overlays_and_remedies_are_valid_configuration(name):
    load_module = pytest.importorskip("atft_core.config.load")
    book = load(shipped(name))
    config = load_module.resolve(runbook=book.config, environ={}).config
    for remedy in (remedy for stage in book.stages for remedy in stage.remedies):
        load_module.with_values(config, remedy.values)


def test_a_demo_says_so_and_keeps_to_its_own_directories():
    demo, real = load(shipped("demo.toml")), load(shipped("runbook.toml"))
    assert demo.demo
    assert not {s.output_dir for s in demo.stages} & {s.output_dir for s in real.stages}
    assert all(stage.output_dir.name.startswith("demo_") for stage in demo.stages)


def test_the_runbook_for_boxes_without_nvml_differs_in_one_criterion():
    book, plan = load(Path("cpu")), load(shipped("runbook.toml"))
    assert (book.name, book.demo) == ("cpu", False)
    for mine, theirs in zip(book.stages, plan.stages, strict=True):
        names = [criterion.name for criterion in mine.criteria]
        assert "gpu_utilisation" not in names
        assert "stall_share" in names
        assert replace(mine, criteria=()) == replace(theirs, criteria=())


def test_an_unknown_shipped_name_names_the_known_ones():
    with pytest.raises(UsageError) as error:
        shipped("runbok.toml")
    assert error.value.hint.startswith("There is runbook.toml, cpu.toml")


# --- reading


def test_stages_are_found_by_key(tmp_path):
    book = load(write(tmp_path, 'name = "mine"\n' + STAGE + SECOND))
    assert (book.name, book.stage("short").requires) == ("mine", "dry")
    with pytest.raises(UsageError) as error:
        book.stage("sort")
    assert error.value.hint.startswith("It has short, dry")


def test_rows_have_the_names_of_their_criteria_unless_told_otherwise(tmp_path):
    spec = load(write(tmp_path, STAGE)).stages[0].criteria[0]
    assert (spec.title, spec.section, spec.horizon) == ("epoch time", "infrastructure", None)
    mine = load(write(tmp_path, STAGE.replace("minimum = 360", 'minimum = 360, title = "speed"')))
    assert mine.stages[0].criteria[0].title == "speed"


@pytest.mark.parametrize("gpu", ["nvml", "stall_share"])
def test_the_gpu_row_becomes_its_twin_on_a_box_without_nvml(tmp_path, gpu):
    row = '{ name = "gpu_utilisation", minimum = 40, target = 60 }, { name = "no_crash"'
    text = f'[profile]\ngpu = "{gpu}"\n' + STAGE.replace('{ name = "epoch_seconds"', row)
    text = text.replace("minimum = 360, target = 300", "minimum = 0")
    spec = load(write(tmp_path, text)).stages[0].criteria[0]
    expected = ("gpu_utilisation", 40, 60) if gpu == "nvml" else ("stall_share", 0.10, 0.02)
    assert (spec.name, spec.minimum, spec.target) == expected


def test_a_stage_survives_json(tmp_path):
    remedy = '\n[[stage.remedies]]\ntitle="t"\ntext="x"\nvalues={ "train.max_epochs" = 5 }\n'
    stage = load(write(tmp_path, STAGE + remedy)).stages[0]
    value = stage_to_json(stage)
    assert stage_from_json(value) == stage
    assert stage_from_json({**value, "born_later": 1}) == stage
    assert stage.remedies[0].values == {"train.max_epochs": 5}
    assert isinstance(stage_from_json(value).output_dir, Path)


# --- refusing


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("n_trials = 1", "n_trails = 1", "'n_trials' is missing ('n_trails' looks like it)"),
        ("n_trials = 1", "n_trials = 1\nn_trails = 2", "'n_trails'. | Known keys: n_trials"),
        ("n_trials = 1", "n_trials = 0", "n_trials = 0 must be at least 1"),
        ("n_trials = 1", "n_trials = true", "must be a whole number"),
        ("n_trials = 1", 'n_trials = "1"', "must be a whole number"),
        ("max_epochs = 2", "max_epochs = 2.5", "must be a whole number"),
        ('hotkey = "d"', 'hotkey = "dd"', "is not one key"),
        ('hotkey = "d"', 'hotkey = " "', "is not one key"),
        ('study_name = "s_dry"', 'study_name = "../../x"', "not a valid name"),
        ('output_dir = "output/dry"', 'output_dir = "output/.."', "does not end in a valid name"),
        ('key = "dry"', 'key = "a/b"', "not a valid name"),
        ('title = "dry run"', "title = 3", "must be text"),
        ("[[stage]]", "[stage]", "must be an array"),
        ('hotkey = "d"', 'hotkey = "d"\nrequires = "nothing"', "names no stage above it"),
        ('hotkey = "d"', 'hotkey = "d"\nrequires = "dry"', "names no stage above it"),
        ('hotkey = "d"', 'hotkey = "d"\ngate = "maximum"', "'minimum' or 'target'"),
        ("epoch_seconds", "epoch_secs", "Known criteria: epoch_seconds"),
        (", minimum = 360, target = 300", "", "it has no bar"),
        ("minimum = 360", "minimum = 200", "target = 300 asks for less than minimum = 200"),
        ("minimum = 360", 'minimum = "360"', "must be a number"),
        ("minimum = 360", "minimum = 360, horizon = 1", "unknown key 'horizon'"),
        ("epoch_seconds", "val_ic", "'horizon' is missing"),
        ("criteria = [", 'criteria = [{ name = "epoch_seconds", minimum = 1 }, ',
         "name epoch_seconds twice"),
        ('[{ name = "epoch_seconds", minimum = 360, target = 300 }]', "[]", "no criteria"),
        ('[{ name = "epoch_seconds", minimum = 360, target = 300 }]', "[1]", "array of tables"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_stage_is_named_with_its_fix(tmp_path, old, new, says):
    assert old in STAGE
    assert says in refused(tmp_path, STAGE.replace(old, new))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it has no stage"),
        ("demo = 1\n" + STAGE, "demo = 1 must be true or false"),
        ("colour = 1\n" + STAGE, "unknown key 'colour'"),
        ('[profile]\ngpu = "none"\n' + STAGE, "'nvml' or 'stall_share'"),
        ("[profile]\ngpus = 1\n" + STAGE, "Known keys: gpu"),
        (STAGE + STAGE, "key = 'dry' is taken by stage 'dry'"),
        (STAGE + SECOND.replace('"s"', '"d"'), "hotkey = 'd' is taken by stage 'dry'"),
        (STAGE + SECOND.replace("output/short", "output/dry"), "own output_dir"),
        (STAGE + SECOND.replace("s_short", "s_dry"), "own study_name"),
        (SECOND + STAGE, "requires none"),
        ("key = [", "is not TOML"),
        (STAGE + '[[stage.remedies]]\ntitle="t"\ntext="x"\nvalues={ loss.spearman = 0.1 }',
         "Quote it"),
        (STAGE + '[[stage.remedies]]\ntitle="t"\ntext="x"', "'values' is missing"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_file_is_named_with_its_fix(tmp_path, text, says):
    assert says in refused(tmp_path, text)


def test_the_place_of_a_mistake_is_named(tmp_path):
    found = refused(tmp_path, STAGE + SECOND.replace("minimum = 360", "minimum = true"))
    assert "stage 'short', criterion 'epoch_seconds'" in found


def test_a_file_that_cannot_be_read_is_an_error_in_words(tmp_path):
    with pytest.raises(UsageError, match="There is no runbook"):
        load(tmp_path / "missing.toml")
    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        load(tmp_path / "bytes.toml")


@pytest.mark.parametrize("again", ["./output/dry", "output/../output/dry", "{cwd}/output/dry"])
def test_two_spellings_of_one_directory_are_one(tmp_path, again):
    second = SECOND.replace("output/short", again.format(cwd=Path.cwd()))
    assert "is taken by stage 'dry'" in refused(tmp_path, STAGE + second)


def test_a_home_that_does_not_exist_is_refused(tmp_path):
    assert "no such user" in refused(tmp_path, STAGE.replace("output/dry", "~nosuchuser/dry"))


def test_a_section_of_the_configuration_is_a_table(tmp_path):
    assert "data = 5 must be a table" in refused(tmp_path, "[config]\ndata = 5\n" + STAGE)


# --- rules


def test_rules_are_read_with_their_usual_bars(tmp_path):
    text = (
        STAGE
        + """rules = [
  { name = "early_signs", after = 0.33 },
  { name = "sweep_stalled", after = 0.5, acts = true },
]
"""
    )
    (stage,) = load(write(tmp_path, text)).stages
    assert [(r.name, r.after, r.bar, r.acts) for r in stage.rules] == [
        ("early_signs", 0.33, 0.01, False), ("sweep_stalled", 0.5, 0.0, True),
    ]  # fmt: skip
    assert stage_from_json(stage_to_json(stage)) == stage


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ('[{ name = "early_sings", after = 0.3 }]', "Use 'early_signs'"),
        ('[{ name = "early_signs", after = 3 }]', "a share of the epochs"),
        ('[{ name = "early_signs", after = 0.3, bar = nan }]', "not a share and a number"),
        ('[{ name = "sweep_stalled", after = 0.3, bar = 1 }]', "bar"),
        (f'[{{ name = "early_signs", after = 0.3, bar = 1{"0" * 400} }}]', "too large"),
        ('[{ name = "early_signs" }]', "after"),
        ('[{ name = "early_signs", after = 0.3 }, { name = "early_signs", after = 0.5 }]', "twice"),
    ],
)
def test_rules_that_make_no_sense_are_refused(tmp_path, rules, why):
    assert why in refused(tmp_path, STAGE + f"rules = {rules}\n")


def test_a_shipped_runbook_is_typed_by_its_name_unless_something_else_is_called_so(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert typed(shipped("cpu.toml")) == "cpu"
    assert load(Path(typed(shipped("demo.toml")))).name == "demo"
    (tmp_path / "cpu.toml").write_text("")
    assert typed(tmp_path / "cpu.toml") == str(tmp_path / "cpu.toml")
    (tmp_path / "cpu").mkdir()
    assert typed(shipped("cpu.toml")) == str(shipped("cpu.toml"))


# --- a stage that the log of a run has


def damaged(stored, *path, to):
    value = json.loads(json.dumps(stored))
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return value


@pytest.mark.parametrize("to", [5, "x", None, [5], ["a"], {"a": 1}, True, float("nan"), 10**400])
@pytest.mark.parametrize(
    "path", [(f.name,) for f in fields(Stage)] + [("criteria", 0, f.name) for f in
    fields(CriterionSpec)] + [("remedies", 0, f.name) for f in fields(Remedy)],
    ids=lambda path: ".".join(map(str, path)),
)  # fmt: skip
def test_a_stored_stage_with_a_value_of_a_wrong_type_is_one_clean_error(path, to):
    stored = stage_to_json(load(shipped("runbook.toml")).stage("short"))
    try:
        stage = stage_from_json(damaged(stored, *path, to=to), "output/dry")
    except RunDirectoryError as error:
        assert error.message.startswith("output/dry: its event log has a damaged stage: ")
        assert f"{path[-1]} = " in error.message or f"row 1 of {path[-1]}" in error.message
        assert "--stage KEY" in error.hint
    else:
        assert json.loads(json.dumps(stage_to_json(stage))) == damaged(stored, *path, to=to)


def test_a_stored_stage_that_lacks_what_it_needs_is_one_clean_error():
    stored = stage_to_json(load(shipped("runbook.toml")).stage("short"))
    for rows in ({"criteria": [{}]}, {"remedies": [{"title": "t"}]}):
        with pytest.raises(RunDirectoryError, match=r"row 1 of (criteria has no name|.* no text)"):
            stage_from_json({**stored, **rows})
    with pytest.raises(RunDirectoryError, match="the stage has no key, title, hotkey"):
        stage_from_json({"n_trials": 3, "max_epochs": 2})
