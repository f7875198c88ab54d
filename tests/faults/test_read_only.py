"""A study is read where nothing may be written, also beside a driver, after a kill, and through symbolic links."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import sweeps
from sweeps.cli.app import app
from sweeps.engine.repair import repair
from sweeps.storage.integrity import Damaged
from sweeps.storage.runs import open_results, open_snapshot
from sweeps.storage.study_storage import StudyStorage
from sweeps.trial.trial import Outcome, Status
from tests.sweeps.support import run_inline, toy_study

STUDY = toy_study(run_cap=2, baseline={"epochs": 2}, confirm={"top": 1, "seeds": 2})


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs folder of a finished study."""
    folder = tmp_path_factory.mktemp("finished")
    assert run_inline(STUDY, folder).complete
    return folder


@pytest.fixture
def runs(finished: Path, tmp_path: Path) -> Path:
    """A copy of `finished` that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "runs"))


@contextmanager
def unwritable(folder: Path) -> Iterator[Path]:
    """Yield a view of `folder` in which nothing may be written, whatever happens in the folder itself."""
    view = folder.with_name("view")
    view.mkdir()
    mounted = shutil.which("mount") and subprocess.run(["mount", "--bind", folder, view], capture_output=True)
    if not mounted or mounted.returncode:
        pytest.skip("this user may not mount a file system")
    subprocess.run(["mount", "-o", "remount,bind,ro", view], check=True)
    try:
        yield view
    finally:
        subprocess.run(["umount", view], check=True)


def sweep(*words: str | Path) -> Any:
    """Run a command in this process; a UserError is raised."""
    done = CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_reading_command_works_where_nothing_may_be_written(runs: Path, tmp_path: Path) -> None:
    before = content(runs)
    with unwritable(runs) as view:
        place = ("--runs-dir", view)
        assert "toy: 2/2 trials, not running" in sweep("status", "toy", *place).stdout
        assert "Does the toy learn?" in sweep("ls", *place).stdout
        assert "complete" in sweep("show", "toy", "0", *place).stdout
        assert sweep("report", "toy", *place, "--reports-dir", tmp_path / "reports").stdout
        assert sweeps.load("toy", view).best.origin
        assert len(sweeps.load("toy", view).trials) == 4
    assert content(runs) == before
    assert (tmp_path / "reports" / "toy" / "index.html").exists()


def test_studies_in_a_folder_that_may_not_be_written_are_compared(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "toy", runs / "other")
    with unwritable(runs) as view:
        compared = sweep("compare", "toy", "other", "--runs-dir", view, "--reports-dir", tmp_path / "reports")
    assert "Comparison: " in compared.stdout


@pytest.mark.parametrize("kind", ["local", "network"])
def test_study_is_read_beside_a_driver_that_writes(runs: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("SWEEP_FILESYSTEM", kind)
    with unwritable(runs) as view, closing(StudyStorage.open(runs / "toy", STUDY)) as driver:
        number = driver.search.ask().number
        assert (runs / "toy" / "study.db-wal").exists() == (kind == "local")
        assert open_results(view, "toy").trials[number].status is Status.RUNNING
        driver.search.finish(number, Outcome(Status.FAILED, "as a test"))
        for results in (open_results(view, "toy"), open_snapshot(view, "toy")):
            assert results.trials[number].reason == "as a test"


def test_write_ahead_log_that_a_killed_driver_left_is_read(runs: Path, tmp_path: Path) -> None:
    with closing(StudyStorage.open(runs / "toy", STUDY)) as driver:
        number = driver.search.ask().number
        killed = Path(shutil.copytree(runs, tmp_path / "killed"))
    (killed / "toy" / "study.db-shm").unlink()
    before = content(killed)
    with unwritable(killed) as view:
        for results in (open_results(view, "toy"), open_snapshot(view, "toy")):
            assert results.trials[number].status is Status.RUNNING
    assert content(killed) == before


def test_transaction_that_a_killed_driver_left_half_written_is_undone(runs: Path, tmp_path: Path) -> None:
    expected = open_results(runs, "toy").trials
    database = runs / "toy" / "study.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA cache_size=1")  # so that changed pages reach the file before the commit
        connection.execute("BEGIN")
        for table in ("trial_user_attributes", "trial_values", "trials"):
            connection.execute(f"UPDATE {table} SET trial_id = trial_id + 1000 WHERE trial_id < 1000")
        killed = Path(shutil.copytree(runs, tmp_path / "killed"))
        connection.execute("ROLLBACK")
    assert (killed / "toy" / "study.db-journal").stat().st_size
    assert (killed / "toy" / "study.db").read_bytes() != database.read_bytes()
    with unwritable(killed) as view:
        assert open_results(view, "toy").trials == expected
        assert open_snapshot(view, "toy").trials == expected


def test_reading_a_study_that_has_no_database_yet_creates_none(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "study.yaml").write_text(sweeps.Study(STUDY, None).to_yaml())  # type: ignore[arg-type]
    for database in (None, b""):
        if database is not None:  # as a kill between the creation of the file and of its tables leaves it
            (tmp_path / "toy" / "study.db").write_bytes(database)
        before = content(tmp_path)
        assert open_results(tmp_path, "toy").trials == open_snapshot(tmp_path, "toy").trials == ()
        assert content(tmp_path) == before


def test_lost_database_of_a_study_with_records_is_damage(runs: Path) -> None:
    (runs / "toy" / "study.db").unlink()
    with pytest.raises(Damaged, match=r"not in its study\.db"):
        open_results(runs, "toy")
    assert not (runs / "toy" / "study.db").exists()


# -- one bad folder beside others -------------------------------------------------------------------------------------


def test_bad_folders_are_listed_with_their_reasons_and_hide_no_study(runs: Path) -> None:
    (runs / "broken").mkdir()
    (runs / "broken" / "study.yaml").write_text("name: [\n")
    (runs / "notes").mkdir()
    shutil.copytree(runs / "toy", runs / "torn")
    (runs / "torn" / "study.db").write_bytes(b"not a database" * 99)
    (runs / "strange").mkdir()
    (runs / "strange" / "study.yaml").mkdir()  # reading it is an error of the system
    listed = sweep("ls", "--runs-dir", runs)
    assert "Does the toy learn?" in listed.stdout
    lines = listed.stderr.splitlines()
    assert "notes cannot be read: it has no study.yaml, so it is no study" in lines
    for name in ("broken", "strange", "torn"):
        assert any(line.startswith(f"{name} cannot be read: ") for line in lines), name


def test_damaged_study_is_left_out_of_a_comparison_with_its_reason(runs: Path, tmp_path: Path) -> None:
    for name in ("other", "torn"):
        shutil.copytree(runs / "toy", runs / name)
    (runs / "torn" / "study.db").write_bytes(b"not a database" * 99)
    words = ["compare", "toy", "torn", "other", "--runs-dir", runs, "--reports-dir", tmp_path / "reports"]
    compared = CliRunner().invoke(app, list(map(str, words)))
    assert compared.exit_code == 1
    assert "Comparison: " in compared.stdout
    assert "left out: torn cannot be read: " in compared.stderr
    assert "sweep repair torn" in compared.stderr
    with pytest.raises(sweeps.UserError, match="torn cannot be read"):
        CliRunner().invoke(app, [*map(str, words[:3]), *map(str, words[4:])], catch_exceptions=False)


# -- symbolic links ---------------------------------------------------------------------------------------------------


def elsewhere(path: Path) -> Path:
    """Move `path` to another folder and leave a symbolic link in its place; return the new place."""
    target = path.parent.parent / "fast disk" / path.name
    target.parent.mkdir(exist_ok=True)
    shutil.move(path, target)
    path.symlink_to(target)
    return target


@pytest.mark.parametrize("linked", ["toy/study.db", "toy/study.yaml", "toy/environment.json", "toy", "."])
def test_linked_file_or_folder_is_read_and_written_like_a_plain_one(runs: Path, linked: str) -> None:
    link = runs / linked
    target = elsewhere(link)
    grown = toy_study(**{**STUDY.model_dump(include={"run_cap"}), "run_cap": 3, "baseline": {"epochs": 2}})
    for results in (open_results(runs, "toy"), open_snapshot(runs, "toy")):
        assert results.counted == 2
    assert len(run_inline(grown, runs).results.trials) == 3
    assert link.is_symlink()
    assert target.exists()
    assert open_results(runs, "toy").counted == 3


def test_database_is_created_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "runs" / "toy").mkdir(parents=True)
    (tmp_path / "fast disk").mkdir()
    (tmp_path / "runs" / "toy" / "study.db").symlink_to(tmp_path / "fast disk" / "study.db")
    assert run_inline(toy_study(run_cap=1), tmp_path / "runs").complete
    assert (tmp_path / "runs" / "toy" / "study.db").is_symlink()
    assert [path.name for path in (tmp_path / "fast disk").iterdir()] == ["study.db"]


def test_repair_rebuilds_the_database_where_the_link_leads(runs: Path) -> None:
    expected = open_results(runs, "toy").trials
    target = elsewhere(runs / "toy" / "study.db")
    target.write_bytes(b"not a database" * 99)
    assert repair(runs, "toy") is not None
    assert (runs / "toy" / "study.db").is_symlink()
    assert open_results(runs, "toy").trials == expected
    assert target.with_name("study.db.damaged-1").exists()
