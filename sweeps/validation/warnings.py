"""Warn about conclusions that a study cannot reach as written, before anything is spent."""

from __future__ import annotations

from sweeps.artifacts.layout import ABLATION, FINAL
from sweeps.designs.fractional import fraction
from sweeps.stats import ALPHA, seeds_for_sign_flip, smallest_p
from sweeps.study.sections import Confirm, Metric, Seeds
from sweeps.study.study import Study

# Words in the names of metrics, between underscores.
LOWER_IS_BETTER = frozenset({"loss", "error", "err", "mse", "rmse", "mae", "nll", "perplexity", "ece"})
HIGHER_IS_BETTER = frozenset({"accuracy", "acc", "auc", "auroc", "f1", "precision", "recall", "iou", "top1", "top5"})


def warnings(study: Study) -> list[str]:
    """Return the warnings about a study, one sentence each; empty when there are none."""
    messages = _wrong_direction(study.metric)
    family = comparisons(study)
    # With anytime the sign-flip check is left out: it holds for a fixed number of pairs only.
    if study.ablation is not None and not (isinstance(study.ablation.seeds, Seeds) and study.ablation.seeds.anytime):
        words = "its first " if isinstance(study.ablation.seeds, Seeds) else ""
        messages += _sign_flip(ABLATION, study.ablation.min_seeds, family, words)
    if study.final is not None and study.final.arms == "all":
        messages += _sign_flip(FINAL, study.final.seeds, family)
    if study.ablation is not None and study.ablation.baseline == "best" and study.confirm is None:
        messages.append(
            "ablation.baseline is best but there is no confirm: the best of the search is a single run, and its value "
            "is optimistic; give confirm: {top: 5, seeds: 3}"
        )
    return messages + _too_few_to_choose(study.confirm)


def comparisons(study: Study) -> int:
    """Return the number of comparisons of the ablation: the family over which Holm's procedure adjusts.

    Assumes that every component is applicable. A factorial compares the main effects and the two-way interactions that
    it can tell apart; a path at most one change per searched dimension.
    """
    if study.ablation is None:
        return 0
    names = list(study.ablation.components or ())
    match study.ablation.design:
        case "leave_one_out" | "alternatives":
            return len(names)
        case "add_one_in":
            return len(names) + 1
        case "factorial":
            return fraction(names).contrasts
        case "path":
            return len(study.space.dimensions)


def _too_few_to_choose(confirm: Confirm | None) -> list[str]:
    """A warning where confirm takes the smallest candidate of those that so few seeds cannot tell apart."""
    if confirm is None or confirm.prefer != "smaller" or confirm.seeds > 2 or confirm.top < 2:
        return []
    return [
        f"confirm.prefer is smaller, but {confirm.seeds} seeds tell almost no difference apart: the smallest of the "
        f"{confirm.top} would nearly always be chosen, however much worse it is; give 5 seeds or more"
    ]


def _wrong_direction(metric: Metric) -> list[str]:
    """A warning about a goal that contradicts the metric's name."""
    words = set(metric.name.lower().split("_"))
    lower, higher = bool(words & LOWER_IS_BETTER), bool(words & HIGHER_IS_BETTER)
    if lower == higher or lower == (metric.goal == "minimize"):
        return []
    extreme, goal = ("largest", "minimize") if lower else ("smallest", "maximize")
    return [
        f"metric.goal is {metric.goal}, so the trial with the {extreme} {metric.name} counts as the best; "
        f"write goal: {goal} unless that is meant"
    ]


def _sign_flip(stage: str, pairs: int, family: int, which: str = "") -> list[str]:
    smallest = smallest_p(pairs, family)
    if not family or smallest <= ALPHA:
        return []
    least = f"over {family} comparisons its smallest Holm-adjusted p" if family > 1 else "its smallest p"
    return [
        f"{stage}: with {which}{pairs} seeds the exact sign-flip check cannot confirm any difference: {least} is "
        f"{smallest:.2g}, above {ALPHA}; {seeds_for_sign_flip(family)} seeds or more are needed"
    ]
