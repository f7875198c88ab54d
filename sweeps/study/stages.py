"""The stages of a study: a short list, each with the parts of the data that it may see and its share of the budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sweeps.io.errors import UserError
from sweeps.study.study import Study


class NoStage(UserError):
    """A stage that the study does not have."""


@dataclass(frozen=True)
class Stage:
    """One stage: its name, the parts of the data that its runs are handed, and its share of a budget by default."""

    name: str
    access: frozenset[str]
    share: float


HELD_OUT = frozenset({"train", "validation"})
SEARCH = Stage("search", HELD_OUT, share=0.6)
CONFIRM = Stage("confirm", HELD_OUT, share=0.1)
ABLATION = Stage("ablation", HELD_OUT, share=0.2)
FINAL = Stage("final", HELD_OUT, share=0.1)
STAGES = (SEARCH, CONFIRM, ABLATION, FINAL)
# What the runs of the stage final hold once they have been trained, and no other run ever.
OPENED = HELD_OUT | {"test"}


def stages_of(study: Study) -> tuple[Stage, ...]:
    """The stages that a study asks for, in their order."""
    asked = {
        SEARCH: bool(study.space.dimensions),
        CONFIRM: study.confirm is not None,
        ABLATION: study.ablation is not None,
        FINAL: study.final is not None,
    }
    return tuple(stage for stage in STAGES if asked[stage])


def asked(study: Study, name: str | None) -> tuple[Stage, ...]:
    """All the stages of a study, or the one called `name`. Raises NoStage."""
    stages = stages_of(study)
    chosen = tuple(stage for stage in stages if name in (None, stage.name))
    if not chosen:
        raise NoStage(f"{study.name} has no stage {name!r}; it has: {', '.join(stage.name for stage in stages)}")
    return chosen


def stage_of(ledger: str) -> str:
    """The stage that a ledger's trials belong to: races and re-tuning are parts of the ablation."""
    return ledger if ledger in {stage.name for stage in STAGES} else ABLATION.name


def limits(study: Study) -> Mapping[str, float]:
    """The device-seconds at which each stage starts no more work; empty without a budget.

    What one stage leaves the next may use, so a stage's limit is that of all up to it together.
    """
    if study.budget.gpu_hours is None:
        return {}
    stages = stages_of(study)
    shares = study.budget.shares or {stage.name: stage.share for stage in stages}
    whole = sum(shares.get(stage.name, 0.0) for stage in stages)
    reached, found = 0.0, {}
    for stage in stages:
        reached += shares.get(stage.name, 0.0)
        found[stage.name] = study.budget.gpu_hours * 3600 * reached / whole
    return found
