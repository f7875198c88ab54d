"""Early termination: one small protocol, one file per rule, pure functions over the recorded curves."""

from __future__ import annotations

from sweeps.grammar.sections import EarlyTerminate
from sweeps.stopping.asha import Asha
from sweeps.stopping.hyperband import Hyperband
from sweeps.stopping.median import Median
from sweeps.stopping.one_epoch import OneEpoch
from sweeps.stopping.rule import Goal, Rule

__all__ = ["Asha", "Goal", "Hyperband", "Median", "OneEpoch", "Rule", "rule_of"]


def rule_of(section: EarlyTerminate, epochs: int, goal: Goal) -> Rule:
    """The rule that a study file asks for; `epochs` are those of a full trial, where the file names no `max_iter`."""
    last = section.max_iter or epochs
    match section.type:
        case "asha":
            return Asha(_set(section.min_iter), last, _set(section.eta), goal)
        case "hyperband":
            return Hyperband(_set(section.min_iter), last, _set(section.eta), goal, section.brackets)
        case "median":
            return Median(_set(section.min_iter), _set(section.min_trials), goal)
        case "one_epoch":
            return OneEpoch(_set(section.epochs), _set(section.top), goal)


def _set(value: int | None) -> int:
    assert value is not None, "the section fills in what its type has"
    return value
