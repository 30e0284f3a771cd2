"""Code of a user's own: found by name, run only as it was allowed, and harmless where it fails."""

import warnings
from dataclasses import replace

import pytest
from run_builders import dry_run

from atft_core.config.hashing import with_plugins
from atft_core.errors import UsageError
from atft_core.run import plugins
from atft_core.run.allowed import allow_file
from atft_core.run.judge.criteria import check
from atft_core.run.runbook import load
from atft_core.run.shipped import shipped
from atft_core.run.stages import CriterionSpec

CRITERION = """
from atft_core.run.judge.criteria import Criterion
from atft_core.run.judge.measure import Measure

def trials(state, spec):
    "How many trials there are."
    return Measure(value=VALUE, n=1)

CRITERIA = {"trials": Criterion(trials, ">", "trials", "infrastructure")}
"""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(plugins, "_LOADED", {})
    monkeypatch.setattr(plugins, "_FAILED", {})


def written(tmp_path, text, name="mine.py"):
    path = tmp_path / name
    path.write_text(text)
    return path


def allowed(path):
    source = plugins.read(path)
    allow_file(source.code, path)
    return source


def judged(log):
    stage = load(shipped("runbook.toml")).stage("dry")
    asked = CriterionSpec("trials", "trials", "infrastructure", minimum=0.0)
    (found,) = check(log.state, replace(stage, criteria=(asked,)))
    return found


def test_a_file_runs_with_the_content_that_was_allowed_and_no_other(tmp_path):
    witness = tmp_path / "witness"
    touch = f"import pathlib\npathlib.Path({str(witness)!r}).touch()"
    path = written(tmp_path, f"TERMS = {{'a': print}}\n{touch}")
    with pytest.raises(UsageError, match="not allowed to run") as caught:
        plugins.load(plugins.read(path))
    assert "atft plugins allow" in caught.value.hint and not witness.exists()
    plugins.load(allowed(path))
    assert plugins.table("TERMS") == {"a": print} and witness.exists()
    path.write_text(path.read_text() + "\n")
    with pytest.raises(UsageError, match="has changed since"):
        plugins.sums_of([str(path)])


def test_somebody_elses_run_cannot_bring_its_own_code(tmp_path, monkeypatch):
    source = plugins.read(written(tmp_path, "TERMS = {'a': print}"))
    (tmp_path / "run" / "plugins").mkdir(parents=True)
    written(tmp_path, "TERMS = {'a': print}", "run/plugins/mine.py")
    with pytest.raises(UsageError, match=r"uses the plug-in mine\.py, which is not allowed"):
        plugins.enter({"mine.py": source.sum}, tmp_path / "run" / "plugins")
    assert plugins.table("TERMS") == {}
    monkeypatch.setenv(plugins.VOUCHED, source.sum)  # as an engine tells its workers
    plugins.enter({"mine.py": source.sum}, tmp_path / "run" / "plugins")
    assert plugins.table("TERMS") == {"a": print}


@pytest.mark.parametrize("sums", [{"../../x.py": "../y"}, {"x.py": 3}, {"x.py": "a" * 64}])
def test_sums_of_a_damaged_log_lead_nowhere(tmp_path, sums):
    with pytest.raises(UsageError, match="not allowed"):
        plugins.enter(sums, tmp_path)
    plugins.enter("nonsense", tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n1 / 0", "line 2: ZeroDivisionError: division by zero"),
        ("x = (", "line 1: SyntaxError"),
        ("import nothing_like_this", "No module named 'nothing_like_this'"),
        ("TERMS = [1]", "TERMS is no dict of names and functions"),
        ("TERMS = {'a': 3}", "TERMS['a'] is no function"),
        ("CRITERIA = {'a': print}", "CRITERIA['a'] is no Criterion"),
        ("x = 1", "holds none of TERMS, BLOCKS, CRITERIA, EXPORTERS"),
    ],
)
def test_a_file_that_fails_says_where(tmp_path, text, said):
    with pytest.raises(UsageError) as caught:
        plugins.load(allowed(written(tmp_path, text)))
    assert said in caught.value.message and "mine.py" in caught.value.message


def test_what_is_no_python_file_is_none(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        plugins.read(tmp_path / "nowhere.py")
    with pytest.raises(UsageError, match="no Python file"):
        plugins.read(written(tmp_path, "", "mine.txt"))


def test_two_files_of_one_name_would_be_one_copy(tmp_path):
    (tmp_path / "b").mkdir()
    paths = [written(tmp_path, "TERMS = {}"), written(tmp_path, "BLOCKS = {}", "b/mine.py")]
    for path in paths:
        allowed(path)
    with pytest.raises(UsageError, match=r"Two plug-ins are called mine\.py"):
        plugins.sums_of(map(str, paths))


def test_evidence_made_with_a_plug_in_is_of_another_version():
    assert with_plugins("0.1+ab", {}) == "0.1+ab"
    one, other = (with_plugins("0.1+ab", {"a.py": each}) for each in "xy")
    assert one != other and one.startswith("0.1+ab+")


def test_a_criterion_of_a_plug_in_is_judged_like_any_other(tmp_path):
    source = allowed(written(tmp_path, CRITERION.replace("VALUE", "len(state.trials)")))
    log = dry_run(identity={"plugins": {"mine.py": source.sum}})
    found = judged(log)
    assert (found.verdict, found.value) == ("PASS", 1)


def test_a_criterion_that_is_not_to_be_had_or_fails_is_unknown_and_says_why(tmp_path):
    path = written(tmp_path, CRITERION.replace("VALUE", "1 / 0"))
    log = dry_run(identity={"plugins": {"mine.py": plugins.read(path).sum}})
    found = judged(log)
    assert found.verdict == "UNKNOWN" and "not allowed to run here" in found.note
    assert "atft plugins allow" in found.awaits
    allowed(path)
    found = judged(log)
    assert found.verdict == "UNKNOWN"
    assert found.note == "the plug-in fails: ZeroDivisionError: division by zero"


def test_two_runs_have_each_their_own_code(tmp_path):
    first, second = (
        allowed(written(tmp_path, CRITERION.replace("VALUE", text), "mine.py")) for text in "12"
    )
    logs = [dry_run(identity={"plugins": {"mine.py": each.sum}}) for each in (first, second)]
    assert [judged(log).value for log in (*logs, *logs)] == [1, 2, 1, 2]


@pytest.mark.parametrize(("text", "said"), [("Measure", "gives"), ("sys.exit(3)", "fails")])
def test_a_criterion_that_answers_nonsense_ends_nothing(tmp_path, text, said):
    code = "import sys\n" + CRITERION.replace("Measure(value=VALUE, n=1)", text)
    source = allowed(written(tmp_path, code))
    found = judged(dry_run(identity={"plugins": {"mine.py": source.sum}}))
    assert found.verdict == "UNKNOWN" and said in found.note


def test_a_file_that_fails_is_not_run_at_every_look(tmp_path):
    witness = tmp_path / "witness"
    path = written(tmp_path, f"open({str(witness)!r}, 'a').write('x')\nraise SystemExit(1)")
    source = allowed(path)
    log = dry_run(identity={"plugins": {"mine.py": source.sum}})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert {judged(log).verdict for _ in range(3)} == {"UNKNOWN"}
    assert witness.read_text() == "x"


def test_a_runbook_brings_criteria_that_were_allowed(tmp_path):
    stage = (
        '[[stage]]\nkey = "a"\ntitle = "a"\nhotkey = "a"\nstudy_name = "a"\noutput_dir = "out"\n'
        'n_trials = 1\nmax_epochs = 1\ncriteria = [{ name = "trials", minimum = 0 }]\n'
    )
    book = written(tmp_path, f'plugins = ["mine.py"]\n{stage}', "book.toml")
    path = written(tmp_path, CRITERION)
    with pytest.raises(UsageError, match=r"book\.toml: plugins: .*not allowed to run"):
        load(book)
    allowed(path)
    assert load(book).plugins == (str(path),)
    assert load(book).stages[0].criteria[0].title == "trials"


def test_a_runbook_extends_one_that_extends_another_and_never_itself(tmp_path):
    written(tmp_path, 'extends = "cpu.toml"\nname = "mine"\n', "mine.toml")
    written(tmp_path, 'extends = "mine.toml"\n', "third.toml")
    assert load(tmp_path / "third.toml").name == "mine"
    written(tmp_path, 'extends = "third.toml"\n', "mine.toml")
    with pytest.raises(UsageError, match="extends itself"):
        load(tmp_path / "third.toml")
