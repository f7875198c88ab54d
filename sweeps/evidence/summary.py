"""What each stage after the search has shown so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sweeps.artifacts.layout import TEST
from sweeps.evidence.comparison import Comparison, Terms, comparisons
from sweeps.evidence.effect import Effect, effects
from sweeps.evidence.level import Figure, Level, level, levels
from sweeps.formatting import measure
from sweeps.storage.results import Results, StageResults
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Status, Trial

CONFIRM, ABLATION, FINAL = "confirm", "ablation", "final"
FACTORIAL = "factorial"


@dataclass(frozen=True)
class Confirmation:
    """The confirmed candidates, best mean first, each with the value that the search had chosen it by.

    The first one is the incumbent once every run of the stage has ended (`complete`).
    """

    levels: tuple[Level, ...]
    searched: Mapping[str, float]  # arm -> the search's own value, a selected extreme
    complete: bool


@dataclass(frozen=True)
class Ablation:
    """What an ablation has shown so far. `retuned` sets arms side by side that were each tuned again.

    `levels` are in the order of the arms; `not_applicable` arms were never trained; `effects` are a factorial's.
    """

    design: str
    levels: tuple[Level, ...]
    comparisons: tuple[Comparison, ...]
    retuned: tuple[Comparison, ...]
    effects: tuple[Effect, ...]
    not_applicable: tuple[Arm, ...]
    superseded: int


@dataclass(frozen=True)
class LabelledSetResult:
    """One labelled set at the stage final: the levels of the arms on it, and the comparisons where there are any."""

    name: str
    levels: tuple[Level, ...]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class FinalEvidence:
    """The sealed test set, opened: `sets` begins with "test". `validation` are the same arms in confirm or ablation."""

    validation: tuple[Level, ...]
    sets: tuple[LabelledSetResult, ...]


def confirmation(results: Results) -> Confirmation | None:
    """What confirm has shown; None before it has begun."""
    stage = results.stages.get(CONFIRM)
    if stage is None:
        return None
    sign = -1.0 if results.study.metric.goal == "maximize" else 1.0
    found = sorted(levels(stage, _figure(results)), key=lambda each: (not each.values, sign * _mean(each)))
    searched = {arm.name: value for arm in stage.arms if (value := _searched(results, arm)) is not None}
    return Confirmation(tuple(found), searched, _complete(results, stage))


def ablation(results: Results) -> Ablation | None:
    """What the ablation has shown; None before it has begun."""
    stage = results.stages.get(ABLATION)
    if stage is None:
        return None
    found, terms = levels(stage, _figure(results)), _terms(results)
    fixed = [each for each in found if not each.arm.tuned]
    factorial = terms.design == FACTORIAL
    return Ablation(
        design=terms.design,
        levels=found,
        comparisons=() if factorial else comparisons(fixed, terms),
        retuned=comparisons([each for each in found if each.arm.tuned], terms),
        effects=effects(fixed, terms) if factorial else (),
        not_applicable=tuple(arm for arm in stage.arms if not arm.applicable),
        superseded=stage.superseded,
    )


def final(results: Results) -> FinalEvidence | None:
    """What the opened test set has shown; None before that."""
    stage = results.stages.get(FINAL)
    if stage is None or not stage.facts.get("sets"):
        return None
    names = sorted(stage.facts["sets"], key=lambda name: name != TEST)
    earlier = (_validation(results, arm) for arm in stage.arms if arm.applicable)
    return FinalEvidence(
        tuple(each for each in earlier if each is not None), tuple(_shift(results, stage, name) for name in names)
    )


def _terms(results: Results) -> Terms:
    """What the ablation's comparisons share; before it has begun, what the study asks for."""
    rule = results.study.ablation
    facts = results.stages[ABLATION].facts if ABLATION in results.stages else {}
    design = facts.get("design") or (rule.design if rule else "")
    components = tuple((rule.components or ()) if rule else ())
    return Terms(measure(results.study.metric), design, rule.margin if rule else None, facts.get("first"), components)


def _figure(results: Results, part: str = "") -> Figure:
    name = results.study.metric.name
    return Figure(part, name.removeprefix("val_"), percent=name.endswith("accuracy"))


def _shift(results: Results, stage: StageResults, name: str) -> LabelledSetResult:
    found = levels(stage, _figure(results, name))
    about = _terms(results)
    return LabelledSetResult(name, found, comparisons(found, Terms(about.measure.on(name), about.design, about.margin)))


def _validation(results: Results, arm: Arm) -> Level | None:
    """The same recipe, else the arm of the same name, in the ablation, else in confirm."""
    stages = [results.stages[name] for name in (ABLATION, CONFIRM) if name in results.stages]
    known = [(stage, other) for stage in stages for other in stage.arms if other.applicable]
    same = [pair for pair in known if pair[1].recipe == arm.recipe] or [
        pair for pair in known if pair[1].name == arm.name
    ]
    return level(*same[0], _figure(results)) if same else None


def _complete(results: Results, stage: StageResults) -> bool:
    wanted = range(results.study.confirm.seeds) if results.study.confirm else range(0)
    runs = [stage.replicates(arm) for arm in stage.arms if arm.applicable]
    return bool(runs) and all(n in found and _ended(found[n]) for found in runs for n in wanted)


def _ended(trial: Trial) -> bool:
    return trial.status is not Status.RUNNING


def _searched(results: Results, arm: Arm) -> float | None:
    """The value of the completed search trial that the arm comes from: the best one of its name, recipe or settings."""
    ranked = results.ranked()
    same = [trial for trial in ranked if arm.name == f"trial {trial.number}"]
    same = same or [trial for trial in ranked if trial.recipe and trial.recipe == arm.recipe]
    same = same or [trial for trial in ranked if arm.edits and dict(trial.parameters) == dict(arm.edits)]
    return same[0].value if same else None


def _mean(each: Level) -> float:
    return sum(each.values.values()) / len(each.values) if each.values else 0.0
