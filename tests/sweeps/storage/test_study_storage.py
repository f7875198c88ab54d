"""The folder of a study: the database, and the records that prove what it says."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from sweeps.artifacts.record import BadRecord, read_record, write_record
from sweeps.io.files import put_in_place
from sweeps.storage.integrity import Damaged
from sweeps.storage.study_storage import StudyStorage
from sweeps.trial.trial import Status, Trial
from tests.sweeps.support import run_inline, toy_study


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """The folder of a finished toy study of three trials."""
    return run_inline(toy_study(run_cap=3), tmp_path).results.folder


def test_database_survives_a_loss_of_power(finished: Path) -> None:
    storage = StudyStorage(finished, toy_study(run_cap=3))
    with storage._storage.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
    storage.close()


def test_missing_record_is_written_at_the_next_start(finished: Path) -> None:
    record = finished / "trials" / "0001" / "record.json"
    before = record.read_text()
    record.unlink()
    StudyStorage(finished, toy_study(run_cap=3)).reconcile()
    assert record.read_text() == before


def test_edited_storage_is_refused(finished: Path) -> None:
    with sqlite3.connect(finished / "study.db") as database:
        database.execute("UPDATE trial_values SET value = value + 1 WHERE trial_id = 2")
    with pytest.raises(Damaged, match="trial 1 of the search differs"):
        StudyStorage(finished, toy_study(run_cap=3)).reconcile()


@pytest.mark.parametrize("damage", ["flip", "truncate", "list"])
def test_damaged_record_is_refused(finished: Path, damage: str) -> None:
    record = finished / "trials" / "0002" / "record.json"
    text = record.read_text()
    content = {
        "flip": text.replace('"status":"complete"', '"status":"pruned"'),
        "truncate": text[: len(text) // 2],
        "list": "[]",
    }
    record.write_text(content[damage])
    with pytest.raises(Damaged, match="0002"):
        StudyStorage(finished, toy_study(run_cap=3)).reconcile()


@pytest.mark.parametrize(("name", "content"), [("study.db", b"not a database" * 99), ("environment.json", b"{")])
def test_unreadable_file_of_a_study_is_named(finished: Path, name: str, content: bytes) -> None:
    (finished / name).write_bytes(content)
    with pytest.raises(Damaged, match=f"{name} cannot be read"):
        StudyStorage(finished, toy_study(run_cap=3)).environment()


def test_folder_with_a_question_mark_holds_its_own_database(tmp_path: Path) -> None:
    storage = StudyStorage.open(tmp_path, toy_study())
    odd = tmp_path / "a?b#c"
    odd.mkdir()
    assert StudyStorage.open(odd, toy_study()).search.next_number() == storage.search.next_number() == 0
    assert (odd / "study.db").exists()


def test_record_reads_back_as_the_trial(tmp_path: Path) -> None:
    trial = Trial(3, "search", Status.PRUNED, {"lr": 0.1, "w": [1, 2]}, None, {1: 2.5, 2: 3.5}, {"macs": 7}, "behind")
    write_record(tmp_path / "record.json", trial)
    assert read_record(tmp_path / "record.json") == trial
    with pytest.raises(BadRecord):
        read_record(tmp_path / "missing.json")


def test_checkpoints_of_trials_that_did_not_complete_are_removed(tmp_path: Path) -> None:
    study = toy_study(run_cap=1, baseline={"fault": "memory"}, parameters={"lr": {"min": 0.01, "max": 0.1}})
    results = run_inline(study, tmp_path).results
    assert not (results.trial_folder(0) / "checkpoint").exists()


def test_checkpoint_of_a_completed_trial_is_kept(finished: Path) -> None:
    assert json.loads((finished / "trials/0000/checkpoint/0004/state.json").read_text())["epoch"] == 4


def test_recipe_of_a_trial_is_written_whole(finished: Path) -> None:
    from ruamel.yaml import YAML

    recipe = YAML(typ="safe").load(finished / "trials/0000/recipe.yaml")
    assert recipe["lr"] == 0.05
    assert recipe["net"]["depth"] == 2


def test_storage_whose_creation_was_cut_short_before_an_index_holds_each_study_once(tmp_path: Path) -> None:
    """Optuna creates a table first and its index after it; a kill between the two left a table without the rule."""
    study = toy_study(run_cap=3)
    StudyStorage(tmp_path, study).close()
    with sqlite3.connect(tmp_path / "study.db") as database:
        database.execute("DROP INDEX ix_studies_study_name")
    for _ in range(2):
        StudyStorage(tmp_path, study).close()
    with sqlite3.connect(tmp_path / "study.db") as database:
        assert database.execute("SELECT count(*) FROM studies").fetchall() == [(1,)]
        assert "ix_studies_study_name" in {row[1] for row in database.execute("PRAGMA index_list(studies)")}


def test_database_has_its_name_only_once_it_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_short(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("optuna.storages._rdb.storage._VersionManager.__init__", cut_short)
        with pytest.raises(KeyboardInterrupt):
            StudyStorage(tmp_path, toy_study())
    assert not (tmp_path / "study.db").exists()
    StudyStorage.open(tmp_path, toy_study()).close()
    assert {path.name for path in tmp_path.iterdir() if "db" in path.name} <= {
        "study.db",
        "study.db-wal",
        "study.db-shm",
    }


def test_database_that_another_process_creates_meanwhile_is_kept(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("first")
    second.write_text("second")
    put_in_place(first, tmp_path / "name")
    with pytest.raises(FileExistsError):
        put_in_place(second, tmp_path / "name")
    assert (tmp_path / "name").read_text() == "first"
