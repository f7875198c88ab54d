"""Paused trials through all that may happen to a study between two starts: repair, drift, archive, a new beginning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweeps.engine import execute
from sweeps.engine.archive import pack, unpack
from sweeps.engine.repair import in_words, repair
from sweeps.prepare.prepared import settle
from sweeps.runners.inline import InlineRunner
from sweeps.storage.drift import Drift
from sweeps.storage.results import Results
from sweeps.storage.runs import open_results
from sweeps.study.stages import RunRequest, requested_stages
from sweeps.study.study import Study
from sweeps.trial.trial import Status
from sweeps.workload import load
from tests.sweeps.support import Events, Interrupting, acknowledged, run_inline, toy_study


def promoting(**settings: Any) -> Study:
    rule = {"type": "asha", "mode": "promote", "eta": 2}
    return toy_study(**{"early_terminate": rule, "baseline": {"epochs": 8}, "run_cap": 8, **settings})


@pytest.fixture
def interrupted(tmp_path: Path) -> Results:
    """A search that was broken off while some of its trials were paused."""
    with pytest.raises(KeyboardInterrupt):
        run_inline(promoting(), tmp_path, Interrupting(32))
    results = open_results(tmp_path, "toy")
    assert sum(trial.paused for trial in results.trials) > 2
    return results


def outcomes(results: Results) -> list[Any]:
    return [(trial.number, trial.status, trial.value, dict(trial.curve), trial.parameters) for trial in results.trials]


def test_repair_keeps_paused_trials_and_the_search_ends_as_an_undamaged_one(
    interrupted: Results, tmp_path: Path
) -> None:
    whole = run_inline(promoting(), tmp_path / "whole").results
    trained = len(acknowledged(tmp_path))
    (tmp_path / "toy" / "study.db").write_bytes(b"damaged")
    repaired = repair(tmp_path, "toy")
    assert repaired is not None
    assert len(repaired.lost) <= 1, in_words(repaired)  # the one that was being trained
    after = open_results(tmp_path, "toy")
    lost = {trial.number for trial in after.trials if trial.status is Status.ABANDONED}
    for trial in interrupted.trials:
        if not trial.paused or trial.number in lost:
            continue
        assert after.trials[trial.number].paused
        assert after.trials[trial.number].curve == trial.curve
        assert after.trials[trial.number].decisions == trial.decisions
    finished = run_inline(promoting(), tmp_path).results
    assert finished.counted == 8
    if not repaired.lost:
        assert outcomes(finished) == outcomes(whole)
    repeated = len(acknowledged(tmp_path)) - trained
    assert repeated < len(acknowledged(tmp_path / "whole"))  # what had been trained was not trained again


def test_accepted_drift_begins_paused_trials_anew(interrupted: Results, tmp_path: Path) -> None:
    study = promoting()
    prepared = settle(study, load(study.workload), tmp_path / "data", dict(interrupted.environment))
    request = RunRequest(requested_stages(study, None))
    drift = [Drift("library", "torch", "1", "2")]
    results = execute.run(
        prepared, tmp_path / "toy", InlineRunner, Events(), request, cache=False, accepted=drift
    ).results
    abandoned = [trial for trial in results.trials if trial.status is Status.ABANDONED]
    assert {trial.number for trial in abandoned} >= {trial.number for trial in interrupted.trials if trial.paused}
    again = [trial.parameters for trial in results.trials if trial.status.counted]
    assert all(trial.parameters in again for trial in abandoned)
    assert all(trial.drift for trial in results.trials if trial.status is Status.COMPLETE)
    assert results.counted == 8


def test_unpacked_archive_goes_on_without_its_checkpoints(interrupted: Results, tmp_path: Path) -> None:
    whole = run_inline(promoting(), tmp_path / "whole").results
    archive, _ = pack(tmp_path, "toy", tmp_path / "toy.sweep.zip")
    unpack(archive, tmp_path / "elsewhere", tmp_path / "reports")
    assert outcomes(open_results(tmp_path / "elsewhere", "toy")) == outcomes(interrupted)
    assert outcomes(run_inline(promoting(), tmp_path / "elsewhere").results) == outcomes(whole)
