"""How a run of a study ended is kept in its folder, told by its answer, and cleared by the run that goes on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from sweeps.cli.lines import best_line, state
from sweeps.engine import execute as engine
from sweeps.engine.provenance import is_complete
from sweeps.engine.signals import Stopped, listening
from sweeps.evidence.ending import Ending, How, ending_sentences
from sweeps.evidence.findings import Findings
from sweeps.io.lock import driver_lock
from sweeps.prepare.prepared import settle
from sweeps.report.answer import whole_answer
from sweeps.runners.protocol import Scheduler
from sweeps.storage.runs import open_snapshot
from sweeps.study.stages import RunRequest, stages_of
from sweeps.workload import load
from tests.sweeps.support import Events, run_inline, toy_study

STAGES: dict[str, Any] = {
    "confirm": {"top": 1, "seeds": 2},
    "ablation": {"components": {"null": {"unused": 3}}, "seeds": 2},
}
BROKEN: dict[str, Any] = {"baseline": {"epochs": 1, "fault": "raise", "fault_epoch": 1}, "run_cap": 4}
NOTHING: dict[str, Any] = {"baseline": {"epochs": 1, "fault": "nan", "fault_epoch": 1}, "run_cap": 2}


def recorded(folder: Path) -> Ending | None:
    return Ending.of(json.loads((folder / "toy" / "environment.json").read_text()))


def sentences(folder: Path) -> list[str]:
    """The sentences of a report that is made later, from the folder alone."""
    return ending_sentences(open_snapshot(folder, "toy"))


def test_complete_study_says_nothing(tmp_path: Path) -> None:
    assert run_inline(toy_study(run_cap=1), tmp_path).complete
    ending = recorded(tmp_path)
    assert ending is not None
    assert ending.how is How.COMPLETE
    assert sentences(tmp_path) == []


def test_aborted_search_tells_how_far_it_came_why_and_what_did_not_run(tmp_path: Path) -> None:
    result = run_inline(toy_study(**BROKEN, **STAGES), tmp_path)
    assert result.failure
    said = [
        "Aborted in the search after 0 of 4 trials (and 3 that failed): 3 trials in a row failed, the last one with: "
        "RuntimeError: <b>the toy broke</b>.",
        "Not run: confirm and ablation.",
        "Mend the cause, then run the same command again to go on.",
    ]
    assert sentences(tmp_path) == said
    headline, *cautions = whole_answer(Findings.of(result.results))
    assert headline.startswith("No answer yet: none of 3 trials has finished")
    assert cautions == said


def test_best_of_an_aborted_search_is_the_best_of_the_first_trials(tmp_path: Path) -> None:
    class Full(Events):
        def on_end(self, trial: Any) -> None:
            super().on_end(trial)
            if len(self.ended) == 2:
                raise OSError("[Errno 28] No space left on device")

    with pytest.raises(OSError, match="No space left"):
        run_inline(toy_study(), tmp_path, Full())
    findings = Findings.of(open_snapshot(tmp_path, "toy"))
    answer = whole_answer(findings)
    assert answer[0].startswith("Best of the first 2 of 6 trials: trial ")
    assert "Aborted: [Errno 28] No space left on device." in answer
    assert best_line(findings.results).startswith("Best of the first 2 of 6 trials: trial ")
    assert state(findings.results) == "aborted"
    run_inline(toy_study(), tmp_path)
    assert recorded(tmp_path) is not None
    assert sentences(tmp_path) == []


class Lost:
    """A runner whose cluster dies."""

    def run(self, scheduler: Scheduler) -> None:
        raise ConnectionError("the head process of Ray has ended")

    def interrupt(self, grace_s: float) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def test_loss_of_the_runner_is_on_record(tmp_path: Path) -> None:
    study = toy_study()
    prepared = settle(study, load(study.workload), tmp_path / "data", {})
    with pytest.raises(ConnectionError):
        engine.run(prepared, tmp_path / "toy", Lost, Events(), RunRequest(stages_of(study)))
    assert sentences(tmp_path)[0] == "Aborted: the head process of Ray has ended."


@pytest.mark.parametrize(
    ("settings", "beginning"),
    [
        ({**NOTHING, **STAGES}, "Aborted before the first run of the stage confirm: toy: no trial of the search has "),
        (
            {"run_cap": 1, "baseline": {"lr": 0.1, "epochs": 1}, "ablation": {"design": "path", "seeds": 2}},
            "Aborted before the first run of the stage ablation: toy: ablation: design: path: the incumbent ",
        ),
    ],
    ids=["no candidate", "no path"],
)
def test_stage_that_cannot_begin_is_the_same_failure_at_each_start(
    tmp_path: Path, settings: dict[str, Any], beginning: str
) -> None:
    study = toy_study(**settings)
    for _ in range(2):  # the second start spends nothing
        result = run_inline(study, tmp_path)
        assert (result.complete, result.ending.how) == (False, How.ABORTED)
        assert sentences(tmp_path)[0].startswith(beginning)


def test_search_without_a_completed_trial_is_incomplete(tmp_path: Path) -> None:
    for _ in range(2):
        result = run_inline(toy_study(**NOTHING), tmp_path)
        assert result.missing == ("no trial of the search has completed (2 diverged)",)
        assert not result.complete


@pytest.mark.parametrize("stages", [{}, STAGES], ids=["incomplete", "aborted"])
def test_search_in_vain_names_a_way_out_that_works(tmp_path: Path, stages: dict[str, Any]) -> None:
    run_inline(toy_study(**NOTHING, **stages), tmp_path)
    assert sentences(tmp_path)[-1] == (
        "No trial of the search runs again: mend the cause, then raise run_cap for more trials, or start over with "
        "--fresh."
    )
    assert ("remove confirm and write ablation: {baseline: given}" in sentences(tmp_path)[0]) == bool(stages)
    more = run_inline(toy_study(**{**NOTHING, **stages, "run_cap": 3}), tmp_path)
    assert more.results.counted == 3


def test_interrupted_study_says_by_what_until_it_goes_on(tmp_path: Path) -> None:
    class Stopped(Events):
        def on_epoch(self, *event: Any) -> None:
            if not self.interrupted:
                os.kill(os.getpid(), signal.SIGTERM)

    result = run_inline(toy_study(run_cap=2, **STAGES), tmp_path, Stopped())
    assert result.signal is signal.SIGTERM
    assert sentences(tmp_path) == [
        "Interrupted in the search after 0 of 2 trials: stopped by SIGTERM.",
        "Not run: search, confirm and ablation.",
        "Run the same command again to go on.",
    ]

    class Watching(Events):
        def on_epoch(self, *event: Any) -> None:
            assert recorded(tmp_path) is None  # while it runs

    assert run_inline(toy_study(run_cap=2, **STAGES), tmp_path, Watching()).complete
    assert sentences(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_before_the_first_trial_is_on_record(tmp_path: Path, number: signal.Signals) -> None:
    class Early(Events):
        def on_stage(self, stage: str, wanted: int) -> None:
            os.kill(os.getpid(), number)

    with listening(), pytest.raises((KeyboardInterrupt, Stopped)):
        run_inline(toy_study(run_cap=1), tmp_path, Early())
    assert sentences(tmp_path)[0] == f"Interrupted: stopped by {number.name}."


def test_killed_driver_is_noticed_by_the_record_that_is_missing(tmp_path: Path) -> None:
    run_inline(toy_study(run_cap=1, confirm={"top": 1, "seeds": 2}), tmp_path, stage="search")
    file = tmp_path / "toy" / "environment.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "ended": None}))
    assert sentences(tmp_path)[0] == "Interrupted: its driver was killed, or the machine went down."
    with driver_lock(tmp_path / "toy"):
        assert sentences(tmp_path) == []  # it runs


def test_refused_request_leaves_the_ending_of_the_run_before(tmp_path: Path) -> None:
    settings = {"parameters": {}, "run_cap": 0, "baseline": {"epochs": 1}}
    study = toy_study(**settings, final={"seeds": 2})
    before = run_inline(study, tmp_path)
    with pytest.raises(Exception, match="use --open-again"):
        run_inline(toy_study(**settings, final={"seeds": 3}), tmp_path)
    assert recorded(tmp_path) == Ending.of(before.results.environment)
    assert is_complete(open_snapshot(tmp_path, "toy"), study, RunRequest(stages_of(study)))


def test_study_that_an_earlier_version_called_complete_is_not_while_runs_are_missing(tmp_path: Path) -> None:
    rule = {"baseline": "given", "components": {"broken": {"fault": "raise", "fault_epoch": 1}}, "seeds": 2}
    study = toy_study(parameters={}, run_cap=0, baseline={"epochs": 1}, ablation=rule)
    run_inline(study, tmp_path)
    file, request = tmp_path / "toy" / "environment.json", RunRequest(stages_of(study))
    environment = json.loads(file.read_text())
    del environment["ended"]
    file.write_text(json.dumps({**environment, "complete": engine.fingerprint(study, request)}))
    assert not is_complete(open_snapshot(tmp_path, "toy"), study, request)
    assert sentences(tmp_path) == []


def test_spent_budget_is_on_record(tmp_path: Path) -> None:
    result = run_inline(toy_study(budget={"gpu_hours": 1e-7}), tmp_path)
    assert result.exhausted == "search"
    assert sentences(tmp_path)[0].startswith("Out of budget in the search after ")
    assert sentences(tmp_path)[-1] == "Raise budget.gpu_hours, then run the same command again to go on."
