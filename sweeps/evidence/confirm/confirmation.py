"""The evidence of confirm: which candidate was chosen, which cannot be told apart from the best, what is its figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sweeps.artifacts.layout import ABLATION, CONFIRM, INCUMBENT_RUNS
from sweeps.evidence.confirm.rivals import Rival, rivals, smallest
from sweeps.evidence.level import Figure, Level, level, levels
from sweeps.stats.goal import sign
from sweeps.storage.results import CANDIDATES, FRESH, Results, StageResults
from sweeps.study.stages import ablates_incumbent, fresh_runs
from sweeps.study.study import Study
from sweeps.trial.arm import Arm
from sweeps.trial.trial import Trial


@dataclass(frozen=True)
class Confirmation:
    """The evidence of confirm.

    The means in `levels` are those by which the incumbent is chosen. The best of several is an optimistic figure for
    the candidate that has it: the incumbent's own is `fresh`, from runs that had no part in the choice.

    Attributes:
        levels: The candidates over the seeds of the choice, best mean first.
        searched: The value of each candidate in the search, by arm: a selected extreme of single runs.
        complete: Whether every run of the choice has ended.
        rivals: The other candidates against the one with the best mean, in the order of `levels`.
        chosen: The incumbent over the seeds of the choice, once `complete`; before that the leader. The one with the
            best mean or, with `prefer: smaller`, the smallest of those that cannot be told apart from it. None while no
            candidate has a value.
        fresh: The incumbent over the runs that were made after the choice; None before one of them has a value.
        fresh_stage: The stage of these runs: "ablation", whose baseline the incumbent is, or "incumbent".
        fresh_expected: Whether the study makes such runs. One that had confirmed before they were made does not.
        expected: What the surrogate expected of a new run of each candidate, by arm, where it has chosen them.
        unfinished: The candidates that the search did not train to their end, by arm: they have no value in `searched`.
    """

    levels: tuple[Level, ...]
    searched: Mapping[str, float]
    complete: bool
    rivals: tuple[Rival, ...] = ()
    chosen: Level | None = None
    fresh: Level | None = None
    fresh_stage: str = ""
    fresh_expected: bool = False
    expected: Mapping[str, float] = field(default_factory=dict)
    unfinished: Mapping[str, Trial] = field(default_factory=dict)

    @property
    def candidates(self) -> int:
        """How many candidates have a value, so that one of them could be chosen."""
        return sum(bool(level.values) for level in self.levels)

    @property
    def indistinct(self) -> tuple[Level, ...]:
        """The candidates that cannot be told apart, best mean first: the best one and others; empty if it is alone."""
        others = [rival.level for rival in self.rivals if rival.indistinct]
        return (self.levels[0], *others) if others else ()

    @property
    def smallest(self) -> Level | None:
        """The smallest of `indistinct` by parameters, then MACs; None where it is alone or sizes are not known."""
        return smallest(self.indistinct)

    @property
    def figure(self) -> Level | None:
        """The incumbent with the best figure that there is: `fresh`, else `chosen`, which is optimistic."""
        return self.fresh if self.fresh is not None else self.chosen


def confirmation_of(results: Results, figure_in: Callable[[StageResults], Figure]) -> Confirmation | None:
    """Return the evidence of confirm; None before it has begun.

    Args:
        results: The results of the study.
        figure_in: The value with which a run of a stage counts.
    """
    stage = results.stages.get(CONFIRM)
    if stage is None:
        return None
    study = results.study
    factor = -sign(study.metric.goal)
    # Arms without any value come last, whatever the goal.
    figure = figure_in(stage)
    ordered = sorted(levels(stage, figure), key=lambda level: (not level.values, factor * (level.center or 0.0)))
    compared = rivals(ordered, study.metric.goal, figure.resolution)
    chosen = _chosen(study, ordered, compared)
    fresh, of_stage = _fresh(results, chosen.arm, figure_in) if chosen is not None else (None, "")
    ranked = results.ranked()
    return Confirmation(
        levels=tuple(ordered),
        searched={arm.name: value for arm in stage.arms if (value := _searched(ranked, arm)) is not None},
        complete=_complete(study, stage),
        rivals=compared,
        chosen=chosen,
        fresh=fresh,
        fresh_stage=of_stage,
        fresh_expected=fresh_expected(study, stage),
        expected=_expected(stage),
        unfinished=_unfinished(results, stage),
    )


def _expected(confirm: StageResults) -> dict[str, float]:
    """What was expected of a new run of each candidate, by arm; empty where they were chosen by their values."""
    entries = confirm.facts.get(CANDIDATES, {}).get("trials", ())
    return {f"trial {entry['trial']}": float(entry["expected"]) for entry in entries}


def _unfinished(results: Results, confirm: StageResults) -> dict[str, Trial]:
    """The trials that the surrogate has handed on although they had not completed, by arm."""
    entries = confirm.facts.get(CANDIDATES, {}).get("trials", ())
    handed_on = {entry["trial"] for entry in entries if entry["value"] is None}
    return {f"trial {trial.number}": trial for trial in results.trials if trial.number in handed_on}


def fresh_stages(study: Study) -> tuple[str, str]:
    """Return the stages whose runs of the incumbent had no part in its choice, the one that counts first."""
    return (ABLATION, INCUMBENT_RUNS) if ablates_incumbent(study) else (INCUMBENT_RUNS, ABLATION)


def fresh_expected(study: Study, confirm: StageResults) -> bool:
    """Return whether a study makes runs of its incumbent after the choice: in confirm, or in the ablation.

    Args:
        study: The study.
        confirm: Its stage confirm.
    """
    candidates = sum(arm.applicable for arm in confirm.arms)
    return ablates_incumbent(study) or (bool(confirm.facts.get(FRESH)) and fresh_runs(study, candidates) > 0)


def _chosen(study: Study, ordered: Sequence[Level], compared: Sequence[Rival]) -> Level | None:
    if not ordered or not ordered[0].values:
        return None
    if study.confirm is None or study.confirm.prefer != "smaller":
        return ordered[0]
    indistinct = [ordered[0], *(rival.level for rival in compared if rival.indistinct)]
    return smallest(indistinct) or ordered[0]


def _fresh(results: Results, arm: Arm, figure_in: Callable[[StageResults], Figure]) -> tuple[Level | None, str]:
    """The level of a recipe over the runs that had no part in its choice, and their stage; two runs make a mean."""
    levels_found: list[tuple[Level, str]] = []
    for name in fresh_stages(results.study):
        stage = results.stages.get(name)
        arms = [each for each in stage.arms if each.applicable and each.recipe == arm.recipe] if stage else []
        if stage is not None and arms:
            levels_found.append((level(stage, arms[0], figure_in(stage)), name))
    # The first with a mean and an interval, else the first with a value.
    for least in (2, 1):
        for each in levels_found:
            if len(each[0].values) >= least:
                return each
    return None, ""


def _complete(study: Study, stage: StageResults) -> bool:
    replicates = range(study.confirm.seeds) if study.confirm else range(0)
    by_arm = [stage.replicates(arm) for arm in stage.arms if arm.applicable]
    return bool(by_arm) and all(n in runs and runs[n].ended for runs in by_arm for n in replicates)


def _searched(ranked: Sequence[Trial], arm: Arm) -> float | None:
    """The value of the search trial that an arm comes from: the best one of its name, else its recipe or settings."""
    same = [trial for trial in ranked if arm.name == f"trial {trial.number}"]
    same = same or [trial for trial in ranked if trial.recipe and trial.recipe == arm.recipe]
    same = same or [trial for trial in ranked if arm.edits and dict(trial.parameters) == dict(arm.edits)]
    return same[0].value if same else None
