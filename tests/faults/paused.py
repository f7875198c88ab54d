"""What a kill may do to a search whose trials pause: neither decisions nor checkpoints that it may want are lost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.artifacts.layout import CHECKPOINT, trial_folder
from sweeps.pruners.factory import promotion_rule
from sweeps.stages.pausing.load_price import LEAST_S
from sweeps.storage.results import Results
from sweeps.trial.trial import Status, Trial
from sweeps.workload import load


def check_decisions(before: Mapping[Any, Trial], results: Results) -> None:
    """The decisions on record stay as they were, each in its place in the order, and each trial trained accordingly."""
    for trial in results.trials:
        earlier = before.get((trial.stage, trial.number))
        if earlier is not None:
            assert trial.decisions[: len(earlier.decisions)] == earlier.decisions, (earlier, trial)
        ends = [decision["until"] for decision in trial.decisions if "until" in decision]
        assert all(trial.epochs >= until for until in ends[:-1]), (
            f"handed out again before it had come to its rung: {trial}"
        )
        if ends and not trial.decisions[-1].get("last"):
            assert trial.epochs <= ends[-1], f"trained beyond its rung: {trial}"
    orders = sorted(decision["order"] for trial in results.trials for decision in trial.decisions)
    assert orders == list(range(len(orders))), orders


def epochs_without_checkpoint(results: Results, study: Path) -> dict[int, int]:
    """Return how many epochs each paused trial that may go on will repeat, because they are in no checkpoint."""
    behind: dict[int, int] = {}
    hopeless = _hopeless(results)
    for trial in results.trials:
        if trial.paused and trial.number not in hopeless:
            newest = CheckpointFolder(trial_folder(study, trial.number) / CHECKPOINT).restore()
            saved = newest.epoch if newest is not None else 0
            if saved < trial.epochs:
                behind[trial.number] = trial.epochs - saved
    return behind


def differences_from(unbroken: Results, results: Results) -> list[str]:
    """Return a line for each trial that another run of the same study has made otherwise.

    None where loading took so long that the steps of the two may differ.
    """
    decisions = [each for trial in (*unbroken.trials, *results.trials) for each in trial.decisions]
    if any(decision.get("load_s", 0.0) >= LEAST_S for decision in decisions):
        return []
    pairs = zip(map(_outcome, unbroken.trials), map(_outcome, results.trials), strict=True)
    return [f"{one}, unbroken {other}" for other, one in pairs if one != other]


def _outcome(trial: Trial) -> tuple[Any, ...]:
    decisions = [{key: value for key, value in each.items() if key != "load_s"} for each in trial.decisions]
    return trial.number, trial.status, trial.parameters, trial.value, dict(trial.curve), trial.reason, decisions


def _hopeless(results: Results) -> set[int]:
    """The paused trials that no promotion can want any more."""
    study = results.settled_study
    rule = promotion_rule(study, load(study.workload))
    assert rule is not None
    wanted = max(1, study.confirm.top if study.confirm is not None else 1)
    if results.counts()[Status.COMPLETE] < wanted:
        return set()
    lost = (Status.FAILED, Status.ABANDONED, Status.REJECTED, Status.DUPLICATE)
    curves = {trial.number: trial.measured for trial in results.trials if trial.status not in lost}
    broken = {t.number for t in results.trials if t.status in (Status.DIVERGED, Status.OUT_OF_MEMORY)}
    paused = {trial.number for trial in results.trials if trial.paused}
    training = {t.number for t in results.trials if t.status is Status.RUNNING and not t.paused}
    newcomers = max(0, study.most_trials - results.counted - len(paused) - len(training))
    return rule.hopeless(curves, paused, broken, training, newcomers)
