"""The stages of a study: the data that each may read, and its share of the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sweeps.artifacts.layout import INCUMBENT_RUNS, REPEATS
from sweeps.io.errors import UserError
from sweeps.study.sections import STAGE_NAMES
from sweeps.study.study import Study


class NoStage(UserError):
    """The study does not have the requested stage."""


@dataclass(frozen=True)
class Stage:
    """One stage of a study.

    Attributes:
        name: One of `STAGE_NAMES`.
        access: The parts of the data that its runs may read: "train", "validation".
        share: Its default share of the budget, relative to the other stages of the study.
    """

    name: str
    access: frozenset[str]
    share: float


@dataclass(frozen=True)
class RunRequest:
    """The stages of a study to run.

    Attributes:
        stages: The stages, in their order.
        open_again: Whether the test set may be opened a second time.
        repeat: How many runs then repeat one of the incumbent, or of the baseline, with its own seed.
    """

    stages: Sequence[Stage]
    open_again: bool = False
    repeat: int = 0


HELD_OUT = frozenset({"train", "validation"})
OPENED = HELD_OUT | {"test"}
"""The access of the runs of the stage final once they are trained. No other run ever gets it."""

SHARES = dict(zip(STAGE_NAMES, (0.6, 0.1, 0.2, 0.1), strict=True))
STAGES = tuple(Stage(name, HELD_OUT, SHARES[name]) for name in STAGE_NAMES)
SEARCH, CONFIRM, ABLATION, FINAL = STAGES


def stages_of(study: Study) -> tuple[Stage, ...]:
    """Return the stages of a study, in the order in which they run."""
    present = {
        SEARCH: bool(study.space.dimensions),
        CONFIRM: study.confirm is not None,
        ABLATION: study.ablation is not None,
        FINAL: study.final is not None,
    }
    return tuple(stage for stage in STAGES if present[stage])


def requested_stages(study: Study, name: str | None) -> tuple[Stage, ...]:
    """Return the stages to run: the one called `name`, or all stages of the study where `name` is None.

    Raises:
        NoStage: The study has no stage of this name.
    """
    stages = stages_of(study)
    requested = tuple(stage for stage in stages if name in (None, stage.name))
    if not requested:
        raise NoStage(f"{study.name} has no stage {name!r}; it has: {', '.join(stage.name for stage in stages)}")
    return requested


def stage_of(name: str) -> str:
    """Return the name of the stage to which the trials in a stage storage belong.

    The storages of path races and of re-tuning have names of their own; they are parts of the ablation. That of the
    incumbent's fresh runs is a part of confirm. Repeats belong to no stage.
    """
    if name == REPEATS:
        return name
    if name == INCUMBENT_RUNS:
        return CONFIRM.name
    return name if name in STAGE_NAMES else ABLATION.name


def ablates_incumbent(study: Study) -> bool:
    """Return whether the ablation has the incumbent as its baseline, so that the baseline's runs are fresh runs of it.

    A path starts at the given baseline.
    """
    section = study.ablation
    return section is not None and section.baseline == "best" and section.design != "path"


def fresh_runs(study: Study, candidates: int) -> int:
    """Return how many runs of the incumbent confirm makes after its choice.

    The best mean of several candidates is an optimistic figure for the one that has it, so the incumbent's own comes
    from runs that had no part in the choice: as many as the choice had for each candidate. None are made where the
    ablation makes them, or where there was nothing to choose.

    Args:
        study: The study.
        candidates: The number of candidates of confirm.
    """
    if study.confirm is None or candidates < 2 or ablates_incumbent(study):
        return 0
    return study.confirm.seeds


def limits(study: Study) -> Mapping[str, float]:
    """Return the spent device-seconds at which each stage starts no more work.

    A stage may use what earlier stages did not, so its limit is the sum of the shares up to and including its own.

    Returns:
        Device-seconds since the start of the study, by name of the stage; empty for a study without a budget.
    """
    if study.budget.gpu_hours is None:
        return {}
    stages = stages_of(study)
    shares = study.budget.shares or {stage.name: stage.share for stage in stages}
    total = sum(shares.get(stage.name, 0.0) for stage in stages)
    cumulative, limit_s = 0.0, {}
    for stage in stages:
        cumulative += shares.get(stage.name, 0.0)
        limit_s[stage.name] = study.budget.gpu_hours * 3600 * cumulative / total
    return limit_s
