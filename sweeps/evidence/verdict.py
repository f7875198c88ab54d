"""Put the result of a comparison into a sentence. docs/evidence.md lists the sentences and when each is used.

The wording follows the Holm-adjusted p of the paired t test. No sentence says "significant" or "no effect".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.formatting import MetricFormat, count, listed, p_text, setting
from sweeps.recipe.keys import value_at
from sweeps.stats import ALPHA, Estimate, Paired
from sweeps.trial.arm import Arm

PATH = "path"
ALTERNATIVES = "alternatives"
INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Verdict:
    """A result as a sentence, and in a few words for a table."""

    sentence: str
    short: str


def compared(
    action: str, metric_format: MetricFormat, pairs: int, paired: Paired | None, p_holm: float | None, family: int
) -> Verdict:
    """Return the verdict on one arm against its reference.

    Args:
        action: The beginning of the sentence, such as "Removing relu".
        metric_format: The format of the metric.
        pairs: The number of pairs.
        paired: The paired statistics; None below 2 pairs.
        p_holm: The adjusted p; None below 2 pairs.
        family: The number of comparisons over which p is adjusted.
    """
    if paired is None or p_holm is None:
        return _too_few(action, pairs)
    if paired.sd == 0 and paired.mean == 0:
        same = f"the two recipes gave the same {metric_format.label} in each of {count(paired.n, 'pair')}"
        return Verdict(f"{action}: identical figures: {same}.", "identical")
    if p_holm < ALPHA:
        return _moved(action, metric_format, paired, p_holm, family)
    figures = _figures(metric_format, paired, p_holm, family)
    if _equivalent(paired):
        result = f"the difference in {metric_format.label} is {_equivalence(metric_format, paired)}"
        return Verdict(f"{action}: {result} ({figures}).", _within(metric_format, paired))
    why = _inconclusive(paired.estimate, figures, p_holm, family)
    could_detect = _could_detect(metric_format, paired.n, paired.detectable)
    return Verdict(f"{action}: for {metric_format.label} {why}{could_detect}.", INCONCLUSIVE)


def effect(
    components: Sequence[str],
    metric_format: MetricFormat,
    estimate: Estimate,
    p_holm: float,
    family: int,
    least: float,
    at_most: int | None = None,
) -> Verdict:
    """Return the verdict on an effect of a factorial.

    Args:
        components: One component for a main effect, two for an interaction.
        metric_format: The format of the metric.
        estimate: The effect over the seeds.
        p_holm: The adjusted p.
        family: The number of effects over which p is adjusted.
        least: The smallest effect that as many seeds would detect with 80 % power.
        at_most: The seeds at the last look, with an anytime interval.
    """
    half = _half(estimate)
    numbers = _numbers(metric_format, estimate, "seed", p_holm, family, at_most=at_most)
    if p_holm >= ALPHA:
        subject = "Main effect of" if len(components) == 1 else "Interaction of"
        why = _inconclusive(estimate, f"{_signed(metric_format, estimate.mean, half)}, {numbers}", p_holm, family)
        could_detect = _could_detect(metric_format, estimate.n, least)
        sentence = f"{subject} {listed(components)}: for {metric_format.label} {why}{could_detect}."
        return Verdict(sentence, INCONCLUSIVE)
    size, spread = metric_format.gap(estimate.mean, half), _spread(metric_format, estimate, numbers)
    verb, direction = _verb(estimate.mean), _direction(metric_format, estimate.mean)
    if len(components) == 1:
        moved = f"{verb} {metric_format.label} by {size}, averaged over the other components"
        return Verdict(f"Having {components[0]} {moved} ({spread}).", direction)
    first, second = components
    moved = f"{second} {verb} the effect of {first} on {metric_format.label}; half of that change is {size}"
    return Verdict(f"Interaction of {first} and {second}: {moved} ({spread}).", direction)


def _could_detect(metric_format: MetricFormat, n: int, least: float) -> str:
    """Return the clause on the power of a test; empty if the values are all equal: their spread is not known then."""
    return f"; n = {n} could detect {_least(metric_format, least)}" if least > 0 else ""


def action(arm: Arm, reference: Arm, design: str) -> str:
    """Return the beginning of a sentence on `arm`: "Removing relu", "Adding a to the recipe without a and b", …"""
    suffix = " (both tuned again)" if arm.tuned else ""
    if design == PATH:
        return _change(arm, reference) + suffix
    if design == ALTERNATIVES:
        return f"Replacing the {reference.name} by {arm.name}{suffix}"
    removed = [name for name in arm.removed if name not in reference.removed]
    added = [name for name in reference.removed if name not in arm.removed]
    if added and not removed:
        return f"Adding {listed(added)} to the recipe without {listed(reference.removed)}{suffix}"
    if removed and not added:
        return f"Removing {listed(removed)}{suffix}"
    return _change(arm, reference) + suffix


def remarks(
    noun: str, note: str, diverged: int, runs: int, reference_diverged: int, left_out: Sequence[tuple[int, str]]
) -> str:
    """Return the sentences that follow a verdict, each after a blank; empty if there is nothing to add.

    Args:
        noun: The name of what is left out: "replicate" or "seed".
        note: How the recipe was adjusted.
        diverged: The number of the arm's runs that diverged.
        runs: The number of the arm's runs that ended.
        reference_diverged: The number of the reference's runs that diverged.
        left_out: The replicates that are left out, with the reasons.
    """
    sentences = [f"{note[0].upper()}{note[1:]}."] if note else []
    if diverged:
        sentences.append(f"{diverged} of its {count(runs, 'run')} diverged and {_counts(diverged)} at chance level.")
    if reference_diverged:
        runs_of = count(reference_diverged, "run")
        sentences.append(f"{runs_of} of the reference diverged and {_counts(reference_diverged)} at chance level.")
    if left_out:
        reasons = "; ".join(f"{replicate} ({why})" for replicate, why in left_out)
        sentences.append(f"Left out: {noun}{'s' if len(left_out) > 1 else ''} {reasons}.")
    return "".join(f" {sentence}" for sentence in sentences)


def _moved(action: str, metric_format: MetricFormat, paired: Paired, p_holm: float, family: int) -> Verdict:
    """The verdict on a difference that Holm's test confirms. It may be so small as to be equivalent all the same."""
    estimate = paired.estimate
    numbers = _numbers(metric_format, estimate, "pair", p_holm, family, paired)
    moved = f"{_verb(paired.mean)} {metric_format.label} by {metric_format.gap(paired.mean, _half(estimate))}"
    sentence = f"{action} {moved} ({_spread(metric_format, estimate, numbers)})"
    short = _direction(metric_format, paired.mean)
    if not _equivalent(paired):
        return Verdict(f"{sentence}.", short)
    equivalence = f"the difference is {_equivalence(metric_format, paired)}"
    return Verdict(f"{sentence}; {equivalence}.", f"{short}, {_within(metric_format, paired)}")


def _too_few(action: str, pairs: int) -> Verdict:
    if pairs:
        return Verdict(f"{action}: one pair of runs so far; an interval needs two.", "one pair")
    return Verdict(f"{action}: no pair of runs has a figure on both sides.", "no pair")


def before_first_look(action: str, pairs: int, first: int) -> Verdict:
    """Return the verdict on an arm that has fewer pairs than the first look of an anytime interval.

    Args:
        action: The beginning of the sentence.
        pairs: The number of pairs.
        first: The pairs at the first look.
    """
    so_far = f"{count(pairs, 'pair')} of runs so far"
    return Verdict(f"{action}: {so_far}; the anytime interval begins at {count(first, 'pair')}.", so_far)


def _inconclusive(estimate: Estimate, figures: str, p_holm: float, family: int) -> str:
    if estimate.low <= 0 <= estimate.high:
        return f"inconclusive: the interval includes 0 ({figures})"
    if family == 1:
        return f"inconclusive: p {p_text(p_holm)} is not below {ALPHA} ({figures})"
    adjusted = f"over {count(family, 'comparison')} Holm p {p_text(p_holm)} is not below {ALPHA}"
    return f"inconclusive: the interval by itself excludes 0, but {adjusted} ({figures})"


def _figures(metric_format: MetricFormat, paired: Paired, p_holm: float, family: int) -> str:
    """The signed difference with its interval, n and p."""
    numbers = _numbers(metric_format, paired.estimate, "pair", p_holm, family, paired)
    return f"{_signed(metric_format, paired.mean, _half(paired.estimate))}, {numbers}"


def _numbers(
    metric_format: MetricFormat,
    estimate: Estimate,
    noun: str,
    p_holm: float,
    family: int,
    paired: Paired | None = None,
    at_most: int | None = None,
) -> str:
    """Signed interval, n and p: "95 % CI -0.9 to 0.3, n = 6 pairs, Holm p = 0.4".

    With `at_most`, the pairs at the last look: "anytime 95 % CI -0.9 to 0.3, n = 9 of at most 24 pairs, ...".
    """
    half = _half(estimate)
    low, high = (metric_format.digits(end, half) for end in (estimate.low, estimate.high))
    stein = f", variance of the first {paired.first}" if paired and paired.first else ""
    # Without variance there is no t statistic, so that p is the sign-flip test's.
    flips = " of the sign-flip test, for the differences are all equal" if estimate.sd == 0 else ""
    name = "Holm p" if family > 1 else "p"
    at_most = paired.at_most if paired else at_most
    kind, pairs = (
        ("anytime ", f"{estimate.n} of at most {count(at_most, noun)}") if at_most else ("", count(estimate.n, noun))
    )
    return f"{kind}95 % CI {low} to {high}, n = {pairs}{stein}, {name} {p_text(p_holm)}{flips}"


def _spread(metric_format: MetricFormat, estimate: Estimate, numbers: str) -> str:
    """The same numbers with an unsigned interval, for a sentence that names the direction: "lowered by 7.1 pp"."""
    half = _half(estimate)
    ends = sorted((abs(estimate.low), abs(estimate.high)))
    low, high = (metric_format.digits(end, half) for end in ends)
    return f"{numbers.partition('95 % CI')[0]}95 % CI {low} to {high}, {numbers.partition(', ')[2]}"


def _equivalent(paired: Paired) -> bool:
    # Tested for each comparison by itself, as docs/evidence.md says.
    return paired.equivalence_p is not None and paired.equivalence_p < ALPHA


def _equivalence(metric_format: MetricFormat, paired: Paired) -> str:
    return f"{_within(metric_format, paired)} (equivalence, p {p_text(paired.equivalence_p or 0.0)})"


def _within(metric_format: MetricFormat, paired: Paired) -> str:
    return f"smaller than ±{paired.margin:g}{' pp' if metric_format.unit else ''}"


def _least(metric_format: MetricFormat, difference: float) -> str:
    return metric_format.gap(difference, difference)


def _signed(metric_format: MetricFormat, value: float, half: float) -> str:
    sign = "-" if value < 0 else "+"
    return f"{sign}{metric_format.gap(value, half)}"


def _verb(difference: float) -> str:
    return "raised" if difference > 0 else "lowered"


def _direction(metric_format: MetricFormat, difference: float) -> str:
    word = "higher" if difference > 0 else "lower"
    if metric_format.goal == "maximize":
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
    return setting(value_at(settings, key, "unset"))
