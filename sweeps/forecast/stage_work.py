"""How much each stage will train."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sweeps.designs.path import FIRST
from sweeps.forecast.outline import StudyOutline
from sweeps.forecast.ranges import Range, epochs_per_trial
from sweeps.pruners.factory import stopping_rule
from sweeps.stats import expected_n
from sweeps.study.sections import Ablation, Seeds
from sweeps.study.stages import stages_of
from sweeps.validation.warnings import fewest


@dataclass(frozen=True)
class StageWork:
    """The runs of a stage, and their `work` and the `longest` of them, both in epochs of the baseline.

    `wanted` says in words what runs.
    """

    wanted: str
    runs: Range
    work: Range
    longest: float


def loads(sketch: StudyOutline) -> Mapping[str, StageWork]:
    """The load of each stage that the study asks for, in their order."""
    makers = {"search": _search, "confirm": _confirm, "ablation": _ablation, "final": _final}
    return {stage.name: makers[stage.name](sketch) for stage in stages_of(sketch.study)}


def _search(sketch: StudyOutline) -> StageWork:
    study, size = sketch.study, sketch.study.space.size
    trials = study.run_cap if size is None else min(study.run_cap, size)
    each = epochs_per_trial(stopping_rule(study, sketch.settled.workload), sketch.epochs, trials) * sketch.tried
    words = study.method + (f", early termination ({study.early_terminate.type})" if study.early_terminate else "")
    return StageWork(words, Range.of(trials), each.scaled(trials), sketch.tried.scaled(sketch.epochs).likely)


def _confirm(sketch: StudyOutline) -> StageWork:
    rule = sketch.study.confirm
    assert rule is not None
    each, runs = sketch.tried.scaled(sketch.epochs), rule.top * rule.seeds
    return StageWork(f"the best {rule.top} × {rule.seeds} seeds", Range.of(runs), each.scaled(runs), each.likely)


def _ablation(sketch: StudyOutline) -> StageWork:
    ablation = sketch.study.ablation
    assert ablation is not None
    if ablation.design == "path":
        return _path(sketch, ablation)
    arms, seeds = sketch.trained, _seeds(ablation)
    works = [sketch.work(arm) for arm in arms]
    each = sketch.incumbent.scaled(sketch.epochs)
    words = f"{ablation.design}: {len(arms)} arms × {_in_words(ablation)}"
    load = StageWork(words, seeds.scaled(len(arms)), seeds * each.scaled(sum(works)), each.likely * max(works))
    return load if ablation.retune is None else _retuned(sketch, load, ablation.retune.trials, sum(works))


def _retuned(sketch: StudyOutline, load: StageWork, trials: int, works: float) -> StageWork:
    """Each arm is tuned in a small search without early termination, then measured at both settings."""
    tuning = sketch.incumbent.scaled(sketch.epochs * trials * works)
    runs = load.runs.scaled(2) + Range.of(trials * len(sketch.trained))
    words = f"{load.wanted}, each again after tuning it in {trials} trials"
    return StageWork(words, runs, load.work.scaled(2) + tuning, load.longest)


def _path(sketch: StudyOutline, ablation: Ablation) -> StageWork:
    """At most every dimension differs; each step but the last is raced among those left, and all are measured again."""
    most, seeds = len(sketch.study.space.dimensions), _seeds(ablation)
    candidates, longest = most * (most + 1) // 2 - 1, fewest(ablation)
    raced = Range(0, candidates * min(FIRST, longest), candidates * longest)
    runs = Range(2, most + 1, most + 1) * seeds + raced
    each = Range(min(1, sketch.tried.low), sketch.tried.likely, max(1, sketch.tried.high)).scaled(sketch.epochs)
    return StageWork(f"path: at most {most} steps × {_in_words(ablation)}", runs, runs * each, each.likely)


def _final(sketch: StudyOutline) -> StageWork:
    final = sketch.study.final
    assert final is not None
    works = [sketch.work(arm) for arm in sketch.trained] if final.arms == "all" else [1.0]
    each = sketch.incumbent.scaled(sketch.epochs)
    words = f"{len(works)} arm{'s' if len(works) > 1 else ''} × {final.seeds} seeds, validation images included"
    runs = Range.of(len(works) * final.seeds)
    return StageWork(words, runs, each.scaled(final.seeds * sum(works)), each.likely * max(works))


def _seeds(ablation: Ablation) -> Range:
    """The replicates per arm; likely, those that a deviation equal to the precision asks for."""
    rule = ablation.seeds
    if not isinstance(rule, Seeds):
        return Range.of(rule)
    return Range(rule.min, expected_n(rule.precision, rule.precision, rule.min, rule.max), rule.max)


def _in_words(ablation: Ablation) -> str:
    rule = ablation.seeds
    return f"{rule.min} to {rule.max} seeds" if isinstance(rule, Seeds) else f"{rule} seeds"
