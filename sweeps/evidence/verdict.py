"""Put the result of a comparison into a sentence. docs/evidence.md lists the sentences and when each is used.

The wording follows the Holm-adjusted p of the paired t test. No sentence says "significant" or "no effect".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.evidence.equivalence import Equivalence, equivalence_text, voided_text, within
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
    action: str,
    metric_format: MetricFormat,
    pairs: int,
    paired: Paired | None,
    p_holm: float | None,
    family: int,
    equivalence: Equivalence | None = None,
) -> Verdict:
    """Return the verdict on one arm against its reference.

    Args:
        action: The beginning of the sentence, such as "Removing relu".
        metric_format: The format of the metric.
        pairs: The number of pairs.
        paired: The paired statistics; None below 2 pairs.
        p_holm: The adjusted p; None below 2 pairs.
        family: The number of comparisons over which p is adjusted.
        equivalence: The test against the margin; None without one.
    """
    if paired is None or p_holm is None:
        return _too_few(action, pairs)
    caution = _few_pairs(paired.n)
    if paired.equal and paired.mean == 0:
        same = f"the two recipes gave the same {metric_format.label} in each of {count(paired.n, 'pair')}"
        also = _also(metric_format, paired.estimate, equivalence)
        return Verdict(f"{action}: identical figures: {same}{also}.{caution}", "identical")
    if p_holm < ALPHA:
        verdict = _moved(action, metric_format, paired, p_holm, family, equivalence)
        return Verdict(f"{verdict.sentence}{caution}", verdict.short)
    figures = _figures(metric_format, paired, p_holm, family)
    if equivalence is not None and equivalence.claimed:
        claim = equivalence_text(metric_format, equivalence, paired.estimate)
        result = f"the difference in {metric_format.label} is {claim}"
        return Verdict(f"{action}: {result}; {figures}.{caution}", within(metric_format, equivalence.margin))
    why = _inconclusive(paired.estimate, figures, p_holm, family)
    could_detect = _could_detect(metric_format, paired.n, paired.detectable)
    also = _also(metric_format, paired.estimate, equivalence)
    return Verdict(f"{action}: for {metric_format.label} {why}{could_detect}{also}.{caution}", INCONCLUSIVE)


def effect(
    components: Sequence[str],
    metric_format: MetricFormat,
    estimate: Estimate,
    p_holm: float,
    family: int,
    least: float,
    equivalence: Equivalence | None = None,
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
        equivalence: The test against the margin; None without one.
        at_most: The seeds at the last look, with an anytime interval.
    """
    after = _few_pairs(estimate.n)
    if p_holm >= ALPHA:
        return _open_effect(components, metric_format, estimate, p_holm, family, least, equivalence, at_most)
    half = _half(estimate)
    numbers = _numbers(metric_format, estimate, "seed", p_holm, family, at_most=at_most)
    size, spread = metric_format.gap(estimate.mean, half), _spread(metric_format, estimate, numbers)
    verb, short = _verb(estimate.mean), _direction(metric_format, estimate.mean)
    also = _also(metric_format, estimate, equivalence)
    if equivalence is not None and equivalence.claimed:
        short = f"{short}, {within(metric_format, equivalence.margin)}"
    if len(components) == 1:
        moved = f"{verb} {metric_format.label} by {size}, averaged over the other components"
        return Verdict(f"Having {components[0]} {moved} ({spread}){also}.{after}", short)
    first, second = components
    moved = f"{second} {verb} the effect of {first} on {metric_format.label}; half of that change is {size}"
    return Verdict(f"Interaction of {first} and {second}: {moved} ({spread}){also}.{after}", short)


def _open_effect(
    components: Sequence[str],
    metric_format: MetricFormat,
    estimate: Estimate,
    p_holm: float,
    family: int,
    least: float,
    equivalence: Equivalence | None,
    at_most: int | None,
) -> Verdict:
    """The verdict on an effect that Holm's test does not confirm."""
    subject = f"{'Main effect of' if len(components) == 1 else 'Interaction of'} {listed(components)}"
    numbers = _numbers(metric_format, estimate, "seed", p_holm, family, at_most=at_most)
    figures, after = f"{_signed(metric_format, estimate.mean, _half(estimate))}, {numbers}", _few_pairs(estimate.n)
    if equivalence is not None and equivalence.claimed:
        result = f"on {metric_format.label} it is {equivalence_text(metric_format, equivalence, estimate)}"
        return Verdict(f"{subject}: {result}; {figures}.{after}", within(metric_format, equivalence.margin))
    why = _inconclusive(estimate, figures, p_holm, family) + _could_detect(metric_format, estimate.n, least)
    also = _also(metric_format, estimate, equivalence)
    return Verdict(f"{subject}: for {metric_format.label} {why}{also}.{after}", INCONCLUSIVE)


def _could_detect(metric_format: MetricFormat, n: int, least: float) -> str:
    """Return the clause on the power of a test; empty if the values are all equal: their spread is not known then."""
    if metric_format.unit and least > 100:  # the difference of two percentages is no larger
        return f"; n = {n} could not be sure to detect even 100 pp"
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
    noun: str,
    note: str,
    failed: tuple[int, int],
    runs: int,
    reference_failed: tuple[int, int],
    left_out: Sequence[tuple[int, str]],
) -> str:
    """Return the sentences that follow a verdict, each after a blank; empty if there is nothing to add.

    Args:
        noun: The name of what is left out: "replicate" or "seed".
        note: How the recipe was adjusted.
        failed: The numbers of the arm's runs that diverged, and so count at chance level, and that collapsed.
        runs: The number of the arm's runs that ended.
        reference_failed: The same of the reference.
        left_out: The replicates that are left out, with the reasons.
    """
    sentences = [f"{note[0].upper()}{note[1:]}."] if note else []
    diverged, collapsed = failed
    reference_diverged, reference_collapsed = reference_failed
    if diverged:
        sentences.append(f"{diverged} of its {count(runs, 'run')} diverged and {_counts(diverged)} at chance level.")
    if collapsed:
        of_runs = f"{collapsed} of its {count(runs, 'run')}"
        sentences.append(f"{of_runs} collapsed: at chance level, where the others are not.")
    if reference_diverged:
        runs_of = count(reference_diverged, "run")
        sentences.append(f"{runs_of} of the reference diverged and {_counts(reference_diverged)} at chance level.")
    if reference_collapsed:
        sentences.append(f"{count(reference_collapsed, 'run')} of the reference collapsed to chance level.")
    if left_out:
        reasons = "; ".join(f"{replicate} ({why})" for replicate, why in left_out)
        sentences.append(f"Left out: {noun}{'s' if len(left_out) > 1 else ''} {reasons}.")
    return "".join(f" {sentence}" for sentence in sentences)


def without_failures(
    metric_format: MetricFormat, whole: Estimate | None, unbroken: Estimate | None, noun: str = "pair"
) -> str:
    """Return the sentence on the estimate without runs that diverged or collapsed, after a blank; else empty.

    Args:
        metric_format: The format of the metric.
        whole: The estimate with them.
        unbroken: That without them.
        noun: "pair" of a difference, "seed" of an effect.
    """
    if whole is None or unbroken is None:
        return ""
    size = _signed(metric_format, unbroken.mean, _half(unbroken))
    ends = f"{_ends(metric_format, unbroken)}, " if unbroken.has_interval else ""
    left, what = count(whole.n - unbroken.n, noun), "difference" if noun == "pair" else "effect"
    return f" Without the {left} of such runs the {what} is {size} ({ends}n = {count(unbroken.n, noun)})."


def failed_runs(diverged: int, collapsed: int) -> str:
    """Return the sentences on the failed runs of all arms behind an effect, each after a blank; empty without any."""
    text = (
        f" {count(diverged, 'run')} of the arms diverged and {_counts(diverged)} at chance level." if diverged else ""
    )
    return text + (f" {count(collapsed, 'run')} of the arms collapsed to chance level." if collapsed else "")


def _moved(
    action: str,
    metric_format: MetricFormat,
    paired: Paired,
    p_holm: float,
    family: int,
    equivalence: Equivalence | None,
) -> Verdict:
    """The verdict on a difference that Holm's test confirms. It may be so small as to be equivalent all the same."""
    estimate = paired.estimate
    numbers = _numbers(metric_format, estimate, "pair", p_holm, family, paired)
    moved = f"{_verb(paired.mean)} {metric_format.label} by {metric_format.gap(paired.mean, _half(estimate))}"
    sentence = f"{action} {moved} ({_spread(metric_format, estimate, numbers)})"
    short = _direction(metric_format, paired.mean)
    sentence += _also(metric_format, estimate, equivalence)
    if equivalence is None or not equivalence.claimed:
        return Verdict(f"{sentence}.", short)
    return Verdict(f"{sentence}.", f"{short}, {within(metric_format, equivalence.margin)}")


def _also(metric_format: MetricFormat, estimate: Estimate, equivalence: Equivalence | None) -> str:
    """The clause on an equivalence that stands beside another result; empty if its tests did not pass."""
    if equivalence is None or not equivalence.passed:
        return ""
    if equivalence.claimed:
        return f"; the difference is {equivalence_text(metric_format, equivalence, estimate)}"
    return f"; it is {voided_text(metric_format, equivalence)}"


def _few_pairs(pairs: int) -> str:
    """The warning after a verdict from two seeds, whose spread is hardly known."""
    return " Caution: n = 2 hardly shows a spread, so run more seeds before relying on this." if pairs == 2 else ""


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
    if not estimate.has_interval:
        return f"inconclusive: all differences are equal, and without a known resolution have no interval ({figures})"
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
    stein = f", variance of the first {paired.first}" if paired and paired.first else ""
    stein += ", variance that of rounding to one image" if paired and paired.floored else ""
    # Without an interval there is no t statistic, so that p is the sign-flip test's.
    flips = "" if estimate.has_interval else " of the sign-flip test, for the differences are all equal"
    name = "Holm p" if family > 1 else "p"
    at_most = paired.at_most if paired else at_most
    kind, pairs = (
        ("anytime ", f"{estimate.n} of at most {count(at_most, noun)}") if at_most else ("", count(estimate.n, noun))
    )
    ends = f"{kind}{_ends(metric_format, estimate)}" if estimate.has_interval else "no interval"
    return f"{ends}, n = {pairs}{stein}, {name} {p_text(p_holm)}{flips}"


def _ends(metric_format: MetricFormat, estimate: Estimate) -> str:
    """The signed interval: "95 % CI -0.9 to 0.3"."""
    half = _half(estimate)
    low, high = (metric_format.digits(end, half) for end in (estimate.low, estimate.high))
    return f"95 % CI {low} to {high}"


def _spread(metric_format: MetricFormat, estimate: Estimate, numbers: str) -> str:
    """The same numbers with an unsigned interval, for a sentence that names the direction: "lowered by 7.1 pp"."""
    if not estimate.has_interval:
        return numbers
    half = _half(estimate)
    ends = sorted((abs(estimate.low), abs(estimate.high)))
    low, high = (metric_format.digits(end, half) for end in ends)
    return f"{numbers.partition('95 % CI')[0]}95 % CI {low} to {high}, {numbers.partition(', ')[2]}"


def _least(metric_format: MetricFormat, difference: float) -> str:
    return metric_format.gap(difference, difference)


def _signed(metric_format: MetricFormat, value: float, half: float) -> str:
    size = metric_format.gap(value, half)
    sign = "" if not size.strip("0. p") else "-" if value < 0 else "+"
    return f"{sign}{size}"


def _verb(difference: float) -> str:
    return "raised" if difference > 0 else "lowered"


def _direction(metric_format: MetricFormat, difference: float) -> str:
    word = "higher" if difference > 0 else "lower"
    if metric_format.goal == "maximize":
        return word
    return f"{word} ({'worse' if difference > 0 else 'better'})"


def _half(estimate: Estimate) -> float:
    """Half the width of the interval; 0 without one."""
    return (estimate.high - estimate.low) / 2 if estimate.has_interval else 0.0


def _counts(number: int) -> str:
    return "counts" if number == 1 else "count"


def _change(arm: Arm, reference: Arm) -> str:
    if not arm.edits:
        return f"Replacing {reference.name} by {arm.name}"
    changes = [f"{key} from {_shown(reference.settings, key)} to {setting(value)}" for key, value in arm.edits.items()]
    return f"Changing {listed(changes)}"


def _shown(settings: Mapping[str, Any], key: str) -> str:
    return setting(value_at(settings, key, "unset"))
