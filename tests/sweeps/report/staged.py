"""Studies with every stage, built from made-up runs; the evidence is computed as for any study."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweeps.evidence.findings import Findings
from sweeps.storage.results import Results, StageResults
from sweeps.trial.arm import BASELINE, Arm
from sweeps.trial.trial import Status, Trial

from .conftest import ENVIRONMENT, EPOCHS, search, study_of, trial_of

SEEDS = 6
MARGIN = 0.5
PARTS = {
    "relu": {"model.activation": "identity"},
    "batch_norm": {"model.norm": "none"},
    "dropout": {"model.dropout": 0},
}
MEANS = {BASELINE: 95.1, "relu": 88.0, "batch_norm": 94.6, "dropout": 95.0}
SETS = ("test", *(f"{kind} {severity}" for kind in ("noise", "blur") for severity in range(1, 6)), "usps")
OPENING = {"at": "2026-03-01T12:00:00+00:00", "study": "demo", "command": "sweep final demo", "runs": [0, 1, 2]}
STAGES: Mapping[str, Any] = {
    "confirm": {"top": 3, "seeds": 5},
    "ablation": {"components": PARTS, "seeds": {"min": 4, "max": 8, "precision": 0.5}, "margin": MARGIN},
    "final": {"seeds": 3, "arms": "all"},
}
Outcome = float | Status


def arm_of(name: str, recipe: str = "", **facts: Any) -> Arm:
    """Return an arm; its recipe is its own unless `recipe` names another."""
    cost = facts.pop("cost", {"parameters": 76_202, "trainable_parameters": 76_202, "macs": 3_048_080})
    return Arm(name, {"epochs": EPOCHS, "arm": recipe or name}, cost=cost, **facts)


def without(name: str, **facts: Any) -> Arm:
    """Return the arm without a component."""
    return arm_of(name, edits=PARTS.get(name, {}), removed=(name,), **{"reference": BASELINE} | facts)


def stage_of(
    name: str, rows: Sequence[tuple[Arm, Sequence[Outcome]]], extra: Sequence[Arm] = (), **facts: Any
) -> StageResults:
    """Return a stage with a run for each value or status."""
    runs = [_run(name, arm, place, value) for arm, values in rows for place, value in enumerate(values)]
    numbered = tuple(replace(run, number=number) for number, run in enumerate(runs))
    return StageResults(name, (*(arm for arm, _ in rows), *extra), numbered, facts)


def _run(stage: str, arm: Arm, place: int, value: Outcome) -> Trial:
    facts: dict[str, Any] = {"variant": arm.name, "replicate": place, "recipe": arm.recipe, "parameters": {}}
    if value is Status.DIVERGED:
        return replace(trial_of(0, value, **facts, curve={1: 40.0, 2: 10.0}, reason="val_loss was nan"), stage=stage)
    if isinstance(value, Status):
        return replace(trial_of(0, value, **facts, curve={1: 40.0}, reason="the worker died"), stage=stage)
    curve = {epoch: value * (1 - 0.6 * math.exp(-0.8 * epoch)) for epoch in range(1, EPOCHS)} | {EPOCHS: value}
    metrics = {name: {"accuracy": _shifted(value, name)} for name in SETS} if stage == "final" else {}
    return replace(trial_of(0, Status.COMPLETE, curve=curve, metrics=metrics, **facts), stage=stage)


def _shifted(value: float, name: str) -> float:
    """The value on a labelled set: below that on validation data, and lower the more severe the corruption."""
    loss = 2.4 * int(name[-1]) if name[-1].isdigit() else 12.0 if name == "usps" else 0.0
    return value - 1.6 - loss * (1 + 0.05 * (95.1 - value))


def draws(mean: float, count: int = SEEDS, spread: float = 0.4) -> list[Outcome]:
    """Return values around a mean. Most of a seed's deviation is the same for every mean."""
    shared, separate = random.Random(7), random.Random(f"{mean}")
    return [mean + shared.gauss(0, spread) + separate.gauss(0, spread / 3) for _ in range(count)]


def ablation_stage() -> StageResults:
    """Return three components left out over six seeds, with a lost run, two re-tuned arms and one not applicable."""
    rows = [(arm, draws(MEANS[arm.name])) for arm in (arm_of(BASELINE, "best"), *(without(name) for name in PARTS))]
    rows[2][1][3] = Status.FAILED
    tuned = arm_of("baseline (re-tuned)", tuned=True)
    again = arm_of("relu (re-tuned)", removed=("relu",), reference=tuned.name, tuned=True)
    rows += [(tuned, draws(95.3, 5)), (again, draws(91.2, 5))]
    wide = without("wide", reason="breaks parameters <= 100,000: it has 1,204,000", cost={})
    tuned_settings = {again.name: {"optimizer.lr": 0.02}}
    planned_seeds = dict.fromkeys(("relu", "batch_norm"), SEEDS)
    facts = {"design": "leave_one_out", "wanted": planned_seeds, "first": 4, "tuned": tuned_settings}
    return stage_of("ablation", rows, [wide], **facts)


def confirm_stage() -> StageResults:
    """Return three candidates over five seeds; the first run is from the result cache."""
    rows = [(arm_of("trial 30", "best"), 95.0), (arm_of("trial 33"), 94.7), (arm_of("trial 39"), 94.1)]
    stage = stage_of("confirm", [(arm, draws(mean, 5)) for arm, mean in rows])
    cached = replace(stage.trials[0], source="other/confirm/4")
    return replace(stage, trials=(cached, *stage.trials[1:]))


def final_stage() -> StageResults:
    """Return the ablation's arms over three seeds on a test set that two other studies opened before."""
    arms = (arm_of(BASELINE, "best"), *(without(name) for name in PARTS))
    rows = [(arm, draws(MEANS[arm.name], 3)) for arm in arms]
    return stage_of("final", rows, sets=list(SETS), openings=[OPENING], earlier_openings=2)


def findings_of(folder: Path, stages: Sequence[StageResults], trials: Sequence[Trial] = (), **changes: Any) -> Findings:
    """Return the findings of these stages after a search of `trials`."""
    named = {stage.name: stage for stage in stages}
    return Findings.of(Results(study_of(**(STAGES | changes)), tuple(trials), ENVIRONMENT, folder, named))


def staged(folder: Path, **changes: Any) -> Findings:
    """Return a study with search, confirm, ablation and an opened test set."""
    return findings_of(folder, [confirm_stage(), ablation_stage(), final_stage()], search(), **changes)


def factorial(folder: Path) -> Findings:
    """Return a factorial of two components."""
    arms = [arm_of(BASELINE), without("relu"), without("batch_norm")]
    both = arm_of("no relu, batch_norm", removed=("relu", "batch_norm"), reference=BASELINE)
    rows = list(zip([*arms, both], map(draws, (95.0, 88.0, 94.6, 84.0)), strict=True))
    section = {"components": list(PARTS)[:2], "seeds": SEEDS, "design": "factorial"}
    return findings_of(
        folder, [stage_of("ablation", rows, design="factorial")], ablation=section, confirm=None, final=None
    )


def stepped(folder: Path) -> Findings:
    """Return a path of three steps from the baseline to the incumbent; the second one lowers the metric."""
    arms = [arm_of(BASELINE)]
    for name in ("optimizer.lr", "model.blocks", "optimizer.name"):
        arms.append(arm_of(name, reference=arms[-1].name, edits={name: 1}))
    rows = list(zip(arms, map(draws, (90.0, 93.0, 92.4, 95.1)), strict=True))
    stage = stage_of("ablation", rows, design="path", path=[arm.name for arm in arms[1:]])
    return findings_of(folder, [stage], search(), ablation={"seeds": SEEDS, "design": "path"})
