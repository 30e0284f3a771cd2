"""A run directory is ours, private, and where it says."""

import grp
import os
import stat

import pytest

from atft_core.errors import RunDirectoryError, UsageError
from atft_core.run.directory import (
    RunDirectory,
    check_name,
    create,
    find_runs,
    free_path,
    refuse_shared,
    siblings,
    write_request,
)
from atft_core.run.files import read_json, write_json


def made(wanted, created=0.0):
    run = create(wanted)
    write_json(run.run_json, {"created": created})
    return run


@pytest.mark.parametrize(
    "name",
    ["../../x", "..", ".", "", ".hidden", "-rf", "a/b", "a b", "a\n", "a;b", "\x1b[31m", "x" * 65],
)
def test_names_that_a_shell_or_a_path_could_misread_are_refused(name):
    with pytest.raises(UsageError, match="not a valid name"):
        check_name(name, "The study name")


@pytest.mark.parametrize("name", ["a", "hpo_dryrun", "A-1.b_c", "7", "x" * 64])
def test_plain_names_are_taken(name):
    assert check_name(name, "The study name") == name


def test_a_run_directory_is_private_and_has_its_folders(tmp_path):
    run = create(tmp_path / "output" / "hpo_dryrun")
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700
    assert run.log.parent.is_dir()
    assert run.requests.is_dir()


def test_all_in_a_run_directory_of_a_group_is_the_groups(tmp_path):
    group = grp.getgrgid(os.getgid()).gr_name
    run = create(tmp_path / "out", group=group)
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o2750
    run.events.touch()
    assert {p.stat().st_gid for p in (run.path, run.requests, run.events)} == {os.getgid()}
    assert run.log.parent.stat().st_mode & stat.S_ISGID


def test_the_next_run_of_a_stage_gets_the_next_number(tmp_path):
    wanted = tmp_path / "dry"
    paths = [made(wanted).path.name for _ in range(3)]
    assert paths == ["dry", "dry.2", "dry.3"]
    assert [run.path.name for run in siblings(wanted)] == paths
    assert siblings(tmp_path / "nowhere" / "dry") == []


def test_siblings_come_in_the_order_in_which_they_were_made(tmp_path):
    for number, created in ((1, 10.0), (2, 30.0), (3, 20.0)):  # the second place was freed once
        assert made(tmp_path / "dry", created).path.name.endswith(("dry", f".{number}"))
    assert [run.path.name for run in siblings(tmp_path / "dry")] == ["dry", "dry.3", "dry.2"]


def test_similar_names_are_no_siblings(tmp_path):
    for name in ("dry", "dry_2", "dryer", "dry.x"):
        made(tmp_path / name)
    assert [run.path.name for run in siblings(tmp_path / "dry")] == ["dry"]


def test_a_directory_that_holds_something_else_is_refused_and_untouched(tmp_path):
    foreign = tmp_path / "thesis"
    foreign.mkdir(mode=0o755)
    (foreign / "chapter1.tex").write_text("x")
    with pytest.raises(RunDirectoryError, match=r"chapter1\.tex"):
        create(foreign)
    assert [entry.name for entry in foreign.iterdir()] == ["chapter1.tex"]
    assert not (tmp_path / "thesis.2").exists()


def test_a_file_and_a_symbolic_link_are_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    for name in ("file", "link", "dangling"):
        with pytest.raises(RunDirectoryError, match=r"not a directory|is a symbolic link"):
            create(tmp_path / name)
    assert list((tmp_path / "real").iterdir()) == []


def test_an_empty_directory_may_be_used(tmp_path):
    (tmp_path / "empty").mkdir()
    assert free_path(tmp_path / "empty") == tmp_path / "empty"


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o702])
def test_a_directory_that_others_may_write_is_refused(tmp_path, mode):
    tmp_path.chmod(mode)
    with pytest.raises(RunDirectoryError, match="may be written by others") as error:
        refuse_shared(tmp_path)
    assert "chmod go-w" in error.value.hint
    tmp_path.chmod(0o750)
    refuse_shared(tmp_path)


def test_a_parent_that_is_a_file_is_an_error_in_words(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunDirectoryError, match="Cannot create"):
        create(tmp_path / "file" / "dry")


def test_what_is_no_run_says_so(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "run.json").write_text("[]")
    for name in ("nothing", "file", "list"):
        with pytest.raises(RunDirectoryError, match="not a run directory"):
            RunDirectory(tmp_path / name).facts()


def test_runs_are_found_two_levels_down_newest_first(tmp_path):
    runs = [made(tmp_path / name) for name in ("a", "output/b", "output/deep/too/deep")]
    for age, run in enumerate(runs):
        os.utime(run.run_json, (1000 + age, 1000 + age))
    assert [run.path.name for run in find_runs(tmp_path)] == ["b", "a"]
    assert [run.path.name for run in find_runs(tmp_path / "a")] == ["a"]


def test_trial_directories_are_counted_by_number(tmp_path):
    run = create(tmp_path / "run")
    for name in ("trial_10", "trial_2", "trial_x", "trial_", "other"):
        (run.path / name).mkdir()
    assert run.trials() == [2, 10]


def test_a_request_is_one_whole_file(tmp_path):
    run = create(tmp_path / "run")
    ids = [write_request(run, "stop", {"now": True}, user="u", host="h", t=1.0) for _ in range(2)]
    assert len(set(ids)) == 2
    assert {path.stem for path in run.requests.iterdir()} == set(ids)
    assert read_json(run.requests / f"{ids[0]}.json")["args"] == {"now": True}
    run.requests.chmod(0o700)


def test_a_request_to_a_run_that_is_gone_is_an_error_in_words(tmp_path):
    with pytest.raises(RunDirectoryError, match="Cannot leave a request"):
        write_request(RunDirectory(tmp_path / "gone"), "stop", {}, user="u", host="h", t=1.0)
