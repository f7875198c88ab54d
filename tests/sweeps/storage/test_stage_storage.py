"""A stage's trials: written by one driver, read by anyone, and no curve parsed at each epoch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sweeps.artifacts import curves
from sweeps.storage.stage_reader import StageReader
from sweeps.storage.stage_storage import StageStorage
from sweeps.storage.study_reader import StudyReader
from sweeps.storage.study_storage import StudyStorage
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Outcome, Status
from tests.sweeps.support import toy_study

STUDY = toy_study()
ARM = Arm("baseline", {"lr": 0.1})


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[StageStorage]:
    """The stage "confirm" of a new study, with one trial that trains."""
    with closing(StudyStorage.open(tmp_path, STUDY)) as storage:
        stage = storage.stage("confirm")
        stage.begin(stage.add_replicate(ARM, 0), ARM.settings, {"macs": 7}, 3, "")
        yield stage


@pytest.fixture
def reader(driver: StageStorage) -> Iterator[StageReader]:
    """The same stage, as another process reads it."""
    with closing(StudyReader(driver.folder, STUDY)) as storage:
        yield storage.stage("confirm")


def test_reader_sees_every_epoch_on_disk_and_the_trial_after_a_refresh(
    driver: StageStorage, reader: StageReader
) -> None:
    assert [trial.status for trial in reader.trials()] == [Status.RUNNING]
    driver.record_epoch(0, 1, {"val_accuracy": 50.0, "loss": 2.0}, 0.5)
    driver.record_epoch(0, 2, {"val_accuracy": 60.0, "loss": 1.0}, 0.25)
    assert reader.rows(0) == driver.rows(0)
    assert [row["loss"] for row in reader.rows(0)] == [2.0, 1.0]
    assert reader.device_seconds(0) == driver.device_seconds(0) == 0.75
    assert reader.trial(0).curve == {}
    reader.refresh()
    assert reader.trial(0) == driver.trial(0)
    assert reader.trial(0).curve == {1: 50.0, 2: 60.0}
    driver.set_arms([ARM])
    driver.finish(0, Outcome(Status.COMPLETE), 60.0, 0.75)
    reader.refresh()
    assert reader.results() == driver.results()
    assert reader.results().arms == (ARM,)


def test_reader_of_a_stage_that_has_not_begun_is_refused(driver: StageStorage, reader: StageReader) -> None:
    with pytest.raises(KeyError):
        StageReader(reader._storage, driver.folder, STUDY, "final", STUDY.space)
    assert not hasattr(reader, "record_epoch")


def test_driver_parses_no_curve_that_it_has_written_itself(
    driver: StageStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "_parse", None)
    for epoch in (1, 2, 2, 3):
        driver.record_epoch(0, epoch, {"val_accuracy": 10.0 * epoch, "loss": 1.0}, 0.5)
    assert [row["val_accuracy"] for row in driver.rows(0)] == [10.0, 20.0, 30.0]
    assert driver.finish(0, Outcome(Status.COMPLETE), 30.0, driver.device_seconds(0)).seconds == 1.5


def test_repeated_epoch_after_a_kill_completes_the_database(driver: StageStorage) -> None:
    curves.CurveFile(driver.trial_folder(0) / "curves.csv").append(1, {"val_accuracy": 50.0}, 0.5)
    assert driver.trial(0).curve == {}
    driver.record_epoch(0, 1, {"val_accuracy": 50.0}, 0.7)
    assert driver.trial(0).curve == {1: 50.0}
    assert [row["device_seconds"] for row in driver.rows(0)] == [0.5]
