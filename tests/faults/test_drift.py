"""Drift: code, data, libraries, device or study file changed between two runs need --accept-drift."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeps.engine.launch import Folders, Options, RunResult, launch
from sweeps.storage.drift import Drifted
from sweeps.storage.results import Results
from sweeps.storage.runs import open_results
from sweeps.trial.trial import Status
from sweeps.workload import load
from tests.sweeps.support import Interrupting, acknowledged, run_inline, sweep, toy_study, toy_text

ANOTHER = "0" * 64
SEARCH: dict[str, Any] = {"method": "random", "run_cap": 3}


def resume(folder: Path, *, accept: bool = False, **settings: Any) -> RunResult:
    study = toy_study(**{**SEARCH, **settings})
    options = Options(Folders(folder, folder / "reports", folder / "data"), "inline", quiet=True, cache=False)
    return launch(study, load(study.workload), replace(options, accept_drift=accept))


def change_environment(folder: Path, path: tuple[str, ...], before: Any) -> None:
    """Write another value into the study's recorded environment."""
    file = folder / "toy" / "environment.json"
    environment = json.loads(file.read_text())
    section = environment
    for key in path[:-1]:
        section = section.setdefault(key, {})
    section[path[-1]] = before
    file.write_text(json.dumps(environment))


@pytest.mark.parametrize(
    ("path", "before", "shown"),
    [
        (("workload", "code_sha256"), ANOTHER, "code tests.toy: 000000000000 -> "),
        (("data", "fingerprint"), "digits of old", "data fingerprint: digits of old -> toy"),
        (("versions", "torch"), "0.4.1", "library torch: 0.4.1 -> "),
        (("device",), "cuda", "device kind: cuda -> cpu"),
    ],
)
def test_change_is_shown_and_must_be_accepted(tmp_path: Path, path: tuple[str, ...], before: Any, shown: str) -> None:
    resume(tmp_path)
    change_environment(tmp_path, path, before)
    done = acknowledged(tmp_path)
    with pytest.raises(Drifted, match=r"runs before and after would not be comparable(?s:.*)--accept-drift") as refused:
        resume(tmp_path, run_cap=5)
    assert shown in str(refused.value)
    assert acknowledged(tmp_path) == done
    results = resume(tmp_path, run_cap=5, accept=True).results
    assert [trial.drift for trial in results.trials] == [0, 0, 0, 1, 1]
    change = results.environment["drift"][0]["changes"][0]
    assert (change["kind"], change["before"]) == (shown.split()[0], before)
    again = resume(tmp_path, run_cap=6).results  # the accepted change is the new reference
    assert [trial.drift for trial in again.trials] == [0, 0, 0, 1, 1, 1]


def test_finished_study_needs_no_acceptance(tmp_path: Path) -> None:
    resume(tmp_path)
    change_environment(tmp_path, ("versions", "torch"), "0.4.1")
    assert resume(tmp_path).complete
    with pytest.raises(Drifted, match=r"library torch: 0\.4\.1 -> "):  # the trials were not trained with the new one
        resume(tmp_path, run_cap=4)


def test_study_of_which_nothing_was_measured_goes_on_once_the_cause_is_mended(tmp_path: Path) -> None:
    broken = {"baseline": {"epochs": 1, "fault": "raise", "fault_epoch": 1}}
    failed = resume(tmp_path, **broken)
    assert failed.failure
    change_environment(tmp_path, ("workload", "code_sha256"), ANOTHER)
    assert resume(tmp_path, **broken).failure == failed.failure


def test_changed_baseline_must_be_accepted_and_changed_space_is_refused(tmp_path: Path) -> None:
    resume(tmp_path)
    with pytest.raises(Drifted, match=r"study file baseline\.momentum: None -> 0\.5"):
        resume(tmp_path, run_cap=4, baseline={"epochs": 4, "momentum": 0.5})
    for settings in ({"parameters": {"lr": {"min": 0.1, "max": 1.0}}}, {"seed": 3}):
        with pytest.raises(Drifted, match="its trials would lose their meaning"):
            resume(tmp_path, accept=True, run_cap=4, **settings)
    assert open_results(tmp_path, "toy").study.run_cap == 3
    results = resume(tmp_path, accept=True, run_cap=4, baseline={"epochs": 4, "momentum": 0.5}).results
    assert [trial.drift for trial in results.trials] == [0, 0, 0, 1]


def test_unfinished_run_restarts_after_a_change(tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt):
        run_inline(toy_study(**SEARCH), tmp_path, Interrupting(3))
    unfinished = open_results(tmp_path, "toy").trials[0]
    assert (unfinished.status, unfinished.epochs > 0) == (Status.RUNNING, True)
    change_environment(tmp_path, ("versions", "torch"), "0.4.1")
    results = resume(tmp_path, accept=True).results
    given_up, *later = results.trials
    assert (given_up.status, given_up.reason) == (Status.ABANDONED, "begun before a change that was accepted")
    assert later[0].parameters == unfinished.parameters
    assert [trial.drift for trial in later] == [1, 1, 1]
    assert results.counted == 3


def report(results: Results, folder: Path) -> str:
    return (folder / "reports" / results.name / "index.html").read_text()


def test_report_names_the_accepted_change(tmp_path: Path) -> None:
    resume(tmp_path)
    change_environment(tmp_path, ("versions", "torch"), "0.4.1")
    page = report(resume(tmp_path, run_cap=5, accept=True).results, tmp_path)
    assert "2 of 5 runs were made after a change that was accepted" in page
    assert "library torch: 0.4.1 -&gt; " in page


def test_command_shows_the_diff_and_exits_with_2(tmp_path: Path) -> None:
    study = tmp_path / "toy.yaml"
    study.write_text(toy_text(**SEARCH))
    words = ("run", study, "--runner", "inline", "--data-dir", tmp_path / "data", "--quiet")
    assert sweep(*words, cwd=tmp_path).returncode == 0
    change_environment(tmp_path / "runs", ("data", "fingerprint"), "older")
    done = sweep(*words, "--set", "run_cap=4", cwd=tmp_path)
    assert done.returncode == 2
    expected = "error: toy has changed since it began, so runs before and after would not be comparable"
    assert done.stderr.startswith(expected)
    assert "  data fingerprint: older -> toy\n" in done.stderr
    accepted = sweep(*words, "--set", "run_cap=4", "--accept-drift", cwd=tmp_path)
    assert accepted.returncode == 0, accepted.stderr
