"""The candidates of confirm: which trials of the search are trained again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.artifacts.record import digest
from sweeps.io.errors import UserError
from sweeps.samplers.constraint_gate import ConstraintGate
from sweeps.stats.goal import sign
from sweeps.storage.results import CANDIDATES, Results
from sweeps.study.stages import CONFIRM
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status, Trial


class NoCandidate(UserError):
    """The search has completed no trial whose recipe could be confirmed."""


@dataclass(frozen=True)
class Candidates:
    """The candidates of confirm.

    Attributes:
        arms: Their recipes, the most promising first.
        choice: How a surrogate has chosen them, as plain data for the facts of confirm; None where they are the trials
            with the best values. `search` is the digest of the trials that it was told of. `trials` has for each
            candidate the `trial`, its own `value` and the `place` that this would give it, None both of a trial that
            has not completed, and the `expected` value at the end of training with its 10, 50 and 90 % `quantiles`.
    """

    arms: tuple[Arm, ...]
    choice: Mapping[str, Any] | None = None


def candidates(results: Results, gate: ConstraintGate, top: int) -> Candidates:
    """Return the candidates of confirm.

    The best of many single runs is partly luck. So a search with the surrogate hands on the trials that are expected to
    end best, given all its curves; nothing that is measured later has a part in it. A trial that was stopped or waits
    at a rung is one of them if it promises more than those that have completed: with many workers and few trainings
    only one or two have. What has been recorded for the same search stays, on another machine too. Other searches hand
    on the completed trials with the best values, and a confirm that has begun with those goes on with them.

    Args:
        results: The results of the study.
        gate: Has the workload.
        top: The most candidates.

    Raises:
        NoCandidate: No trial of the search has completed.
    """
    best, stage = best_trials(results, gate, top), results.stages.get(CONFIRM.name)
    recorded = stage.facts.get(CANDIDATES) if stage is not None else None
    begun_by_value = stage is not None and bool(stage.trials) and recorded is None
    if results.settled_study.method != "bayes" or begun_by_value:
        return Candidates(tuple(best))
    promising = [trial for trial in results.trials if _may_end_well(trial)]
    search = digest({"trials": [_known(trial) for trial in results.trials]})
    if recorded is None or recorded["search"] != search or len(recorded["trials"]) < min(top, len(promising)):
        recorded = {"search": search, "trials": _expected(results, gate, promising)}
    chosen = recorded["trials"][:top]
    by_number = {trial.number: trial for trial in results.trials}
    arms = tuple(_arm(by_number[entry["trial"]], gate) for entry in chosen)
    return Candidates(arms, {"search": search, "trials": chosen})


def best_trials(results: Results, gate: ConstraintGate, top: int) -> list[Arm]:
    """Return the `top` completed trials of the search with the best values as arms, best first. Raises NoCandidate."""
    ranked = results.ranked()[:top]
    if not ranked:
        way = "mend what keeps the trials from completing" if results.trials else "run the search first"
        without = "remove confirm and write" if results.study.confirm is not None else "write"
        raise NoCandidate(
            f"{results.name}: no trial of the search has completed, so there is no best recipe to go on with; "
            f"{way}, or {without} ablation: {{baseline: given}}"
        )
    return [_arm(trial, gate) for trial in ranked]


def _may_end_well(trial: Trial) -> bool:
    """Whether a run of the trial's configuration can be expected to end with a value."""
    return trial.status is Status.COMPLETE or (bool(trial.curve) and (trial.status is Status.PRUNED or trial.paused))


def _expected(results: Results, gate: ConstraintGate, promising: Sequence[Trial]) -> list[dict[str, Any]]:
    """The trials from which candidates are taken, the best expected end first."""
    from sweeps.samplers.bayes import expected_ends  # here, because it loads scipy

    ends = expected_ends(results.settled_study, gate.workload, results.trials)
    places = {trial.number: place for place, trial in enumerate(results.ranked(), start=1)}
    entries = [
        {
            "trial": trial.number,
            "value": trial.value,
            "place": places.get(trial.number),
            "expected": ends[trial.number].mean,
            "quantiles": list(ends[trial.number].quantiles),
        }
        for trial in promising
    ]
    better = sign(results.study.metric.goal)
    return sorted(entries, key=lambda entry: (-better * entry["expected"], entry["place"] or math.inf, entry["trial"]))


def _known(trial: Trial) -> list[Any]:
    """What the surrogate is told of a trial, as plain data."""
    curve = [[epoch, value] for epoch, value in sorted(trial.curve.items())]
    return [trial.number, trial.status.value, dict(trial.parameters), curve]


def _arm(trial: Trial, gate: ConstraintGate) -> Arm:
    feasibility = gate.assess(trial.parameters)
    return Arm(f"trial {trial.number}", feasibility.settings, dict(trial.parameters), cost=feasibility.cost)
