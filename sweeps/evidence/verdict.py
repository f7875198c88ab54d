"""What a comparison has shown, in a sentence. docs/evidence.md lists the sentences and when each is used.

The wording follows the Holm-adjusted p of the paired t test, never a bare "significant" and never "no effect".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.formatting import MetricFormat, chance, count, listed, setting
from sweeps.stats import Estimate, Paired
from sweeps.trial.arm import Arm

LEVEL = 0.05
PATH = "path"
ALTERNATIVES = "alternatives"


@dataclass(frozen=True)
class Verdict:
    """The sentence for people, and a word or three for a table."""

    sentence: str
    short: str


def compared(
    action: str, measure: MetricFormat, pairs: int, paired: Paired | None, p_holm: float | None, family: int
) -> Verdict:
    """The verdict on one arm against its reference; `action` opens the sentence ("Removing relu")."""
    if paired is None or p_holm is None:
        return _too_few(action, pairs)
    if paired.sd == 0 and paired.mean == 0:
        same = f"the two recipes gave the same {measure.label} in each of {count(paired.n, 'pair')}"
        return Verdict(f"{action}: identical figures: {same}.", "identical")
    if p_holm < LEVEL:
        return _moved(action, measure, paired, p_holm, family)
    if _equivalent(paired):
        said = f"the difference in {measure.label} is {_equivalence(measure, paired)}"
        return Verdict(f"{action}: {said} ({_figures(measure, paired, p_holm, family)}).", _within(measure, paired))
    why = _inconclusive(paired.estimate, _figures(measure, paired, p_holm, family), p_holm, family)
    return Verdict(
        f"{action}: for {measure.label} {why}; n = {paired.n} could detect {_least(measure, paired.detectable)}.", _OPEN
    )


def effect(
    components: Sequence[str], measure: MetricFormat, estimate: Estimate, p_holm: float, family: int, least: float
) -> Verdict:
    """The verdict on a main effect (one component) or an interaction of two; `least` is the detectable difference."""
    half = _half(estimate)
    shown = _numbers(measure, estimate, "seed", p_holm, family)
    if p_holm >= LEVEL:
        subject = "Main effect of" if len(components) == 1 else "Interaction of"
        why = _inconclusive(estimate, f"{_signed(measure, estimate.mean, half)}, {shown}", p_holm, family)
        could = f"n = {estimate.n} could detect {_least(measure, least)}"
        return Verdict(f"{subject} {listed(components)}: for {measure.label} {why}; {could}.", _OPEN)
    if len(components) == 1:
        moved = f"{_verb(estimate.mean)} {measure.label} by {measure.gap(estimate.mean, half)}"
        said = (
            f"Having {components[0]} {moved}, averaged over the other components ({_spread(measure, estimate, shown)})."
        )
        return Verdict(said, _direction(measure, estimate.mean))
    first, second = components
    said = f"{second} {_verb(estimate.mean)} the effect of {first} on {measure.label}"
    size = f"half of that change is {measure.gap(estimate.mean, half)} ({_spread(measure, estimate, shown)})"
    sentence = f"Interaction of {first} and {second}: {said}; {size}."
    return Verdict(sentence, _direction(measure, estimate.mean))


def action(arm: Arm, reference: Arm, design: str) -> str:
    """How a sentence on `arm` begins: "Removing relu", "Adding a to the recipe without a and b", "Changing …"."""
    again = " (both tuned again)" if arm.tuned else ""
    if design == PATH:
        return _change(arm, reference) + again
    if design == ALTERNATIVES:
        return f"Replacing the {reference.name} by {arm.name}{again}"
    taken = [name for name in arm.removed if name not in reference.removed]
    added = [name for name in reference.removed if name not in arm.removed]
    if added and not taken:
        return f"Adding {listed(added)} to the recipe without {listed(reference.removed)}{again}"
    if taken and not added:
        return f"Removing {listed(taken)}{again}"
    return _change(arm, reference) + again


def remarks(
    noun: str, note: str, diverged: int, runs: int, reference_diverged: int, left_out: Sequence[tuple[int, str]]
) -> str:
    """The sentences after a verdict: what was done to the arm, divergence, and the pairs left out with the reason."""
    said = [f"{note[0].upper()}{note[1:]}."] if note else []
    if diverged:
        said.append(f"{diverged} of its {count(runs, 'run')} diverged and {_counts(diverged)} as guessing.")
    if reference_diverged:
        runs_of = count(reference_diverged, "run")
        said.append(f"{runs_of} of the reference diverged and {_counts(reference_diverged)} as guessing.")
    if left_out:
        named = "; ".join(f"{replicate} ({why})" for replicate, why in left_out)
        said.append(f"Left out: {noun}{'s' if len(left_out) > 1 else ''} {named}.")
    return "".join(f" {sentence}" for sentence in said)


_OPEN = "inconclusive"


def _moved(action: str, measure: MetricFormat, paired: Paired, p_holm: float, family: int) -> Verdict:
    estimate = paired.estimate
    shown = _numbers(measure, estimate, "pair", p_holm, family, paired)
    moved = f"{_verb(paired.mean)} {measure.label} by {measure.gap(paired.mean, _half(estimate))}"
    said = f"{action} {moved} ({_spread(measure, estimate, shown)})"
    short = _direction(measure, paired.mean)
    if _equivalent(paired):
        return Verdict(
            f"{said}; the difference is {_equivalence(measure, paired)}.", f"{short}, {_within(measure, paired)}"
        )
    return Verdict(f"{said}.", short)


def _too_few(action: str, pairs: int) -> Verdict:
    if pairs:
        return Verdict(f"{action}: one pair of runs so far; an interval needs two.", "one pair")
    return Verdict(f"{action}: no pair of runs has a figure on both sides.", "no pair")


def _inconclusive(estimate: Estimate, figures: str, p_holm: float, family: int) -> str:
    if estimate.low <= 0 <= estimate.high:
        return f"inconclusive: the interval includes 0 ({figures})"
    if family == 1:
        return f"inconclusive: p {chance(p_holm)} is not below 0.05 ({figures})"
    what = f"over {count(family, 'comparison')} Holm p {chance(p_holm)} is not below 0.05"
    return f"inconclusive: the interval by itself excludes 0, but {what} ({figures})"


def _figures(measure: MetricFormat, paired: Paired, p_holm: float, family: int) -> str:
    """The signed difference with everything that belongs to it."""
    shown = _numbers(measure, paired.estimate, "pair", p_holm, family, paired)
    return f"{_signed(measure, paired.mean, _half(paired.estimate))}, {shown}"


def _numbers(
    measure: MetricFormat, estimate: Estimate, noun: str, p_holm: float, family: int, paired: Paired | None = None
) -> str:
    """ "95 % CI -0.9 to 0.3, n = 6 pairs, Holm p = 0.4"; the interval is the signed one."""
    half = _half(estimate)
    low, high = (measure.digits(end, half) for end in (estimate.low, estimate.high))
    stein = f", variance of the first {paired.first}" if paired and paired.first else ""
    flips = " of the sign-flip test, for the differences are all equal" if estimate.sd == 0 else ""
    name = "Holm p" if family > 1 else "p"
    return f"95 % CI {low} to {high}, n = {count(estimate.n, noun)}{stein}, {name} {chance(p_holm)}{flips}"


def _spread(measure: MetricFormat, estimate: Estimate, shown: str) -> str:
    """The same figures for a sentence that has said the direction: the ends of the interval by their size."""
    half = _half(estimate)
    ends = sorted((abs(estimate.low), abs(estimate.high)))
    low, high = (measure.digits(end, half) for end in ends)
    return f"95 % CI {low} to {high}, {shown.partition(', ')[2]}"


def _equivalent(paired: Paired) -> bool:
    return paired.equivalence_p is not None and paired.equivalence_p < LEVEL


def _equivalence(measure: MetricFormat, paired: Paired) -> str:
    return f"{_within(measure, paired)} (equivalence, p {chance(paired.equivalence_p or 0.0)})"


def _within(measure: MetricFormat, paired: Paired) -> str:
    return f"smaller than ±{paired.margin:g}{' pp' if measure.unit else ''}"


def _least(measure: MetricFormat, difference: float) -> str:
    return measure.gap(difference, difference)


def _signed(measure: MetricFormat, value: float, half: float) -> str:
    sign = "-" if value < 0 else "+"
    return f"{sign}{measure.gap(value, half)}"


def _verb(difference: float) -> str:
    return "raised" if difference > 0 else "lowered"


def _direction(measure: MetricFormat, difference: float) -> str:
    word = "higher" if difference > 0 else "lower"
    if measure.goal == "maximize":
        return word
    return f"{word} ({'worse' if difference > 0 else 'better'})"


def _half(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / 2


def _counts(number: int) -> str:
    return "counts" if number == 1 else "count"


def _change(arm: Arm, reference: Arm) -> str:
    if not arm.edits:
        return f"Replacing {reference.name} by {arm.name}"
    changes = [f"{key} from {_shown(reference.settings, key)} to {setting(value)}" for key, value in arm.edits.items()]
    return f"Changing {listed(changes)}"


def _shown(settings: Mapping[str, Any], key: str) -> str:
    node: Any = settings
    for part in key.split("."):
        if not isinstance(node, Mapping) or part not in node:
            return "unset"
        node = node[part]
    return setting(node)
