"""What the stages after the search have answered, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from sweeps.artifacts.layout import TEST, VALIDATION
from sweeps.evidence import Ablation, Comparison, Level
from sweeps.evidence.caveats import caveats
from sweeps.evidence.findings import Findings
from sweeps.formatting import MetricFormat, count
from sweeps.report.tables.ablation import label, part
from sweeps.report.tables.levels import same_arm
from sweeps.stats import Estimate
from sweeps.trial.arm import Arm

VERDICTS_SHOWN = 8
INCUMBENT = "incumbent"


def evidence_answer(findings: Findings) -> list[str]:
    """The incumbent, what the ablation says, the test figure, and what weakens them; empty before any has begun."""
    said = [*_incumbent(findings), *_parts(findings.ablation), *tested(findings)]
    return [*said, *caveats(findings.results)] if said or findings.results.trials else []


def estimate_text(estimate: Estimate, words: MetricFormat, noun: str = "seed") -> str:
    """A mean with its interval and n: "91.20 % (95 % CI 90.75 to 91.65, n = 5 seeds)"."""
    low, high = words.show(estimate.low), words.show(estimate.high)
    return f"{words.show(estimate.mean)} (95 % CI {low.removesuffix(' %')} to {high}, n = {count(estimate.n, noun)})"


def tested(findings: Findings) -> list[str]:
    """The figure of the sealed test set, and how often the set was opened."""
    if findings.final is None or not findings.final.sets:
        return []
    levels = findings.final.sets[0].levels
    first = _level(levels[0], findings) if levels else ""
    return [sentence for sentence in (first, opened(findings)) if sentence]


def opened(findings: Findings) -> str:
    """How often this test set was opened, by whom."""
    here, before = len(findings.openings), findings.earlier_openings
    if not here + before:
        return ""
    if not here:
        by = "by others" if before > 1 else "by another study"
        return f"This study has not opened the test set: its figures are those of a run that was opened before ({by})."
    text = f"This test set has been opened {_times(here + before)}"
    if not before:
        return f"{text}, by this study."
    return f"{text}: {_times(here)} by this study, {_times(before)} by others; each further opening weakens the figure."


def verdicts(found: Ablation) -> list[str]:
    """The verdict on each effect of a factorial, else on each arm."""
    return [effect.verdict for effect in found.effects] or [one.verdict for one in found.comparisons]


def missing_runs(findings: Findings) -> list[str]:
    """What the ablation could not use."""
    found = findings.ablation
    lost = sum(len(one.missing) for one in found.comparisons) if found else 0
    said = []
    if found is not None and found.superseded:
        runs = count(found.superseded, "earlier run")
        said.append(f"{runs} of another incumbent or recipe left out: they are in tables/replicates.csv.")
    if lost:
        said.append(f"{count(lost, 'pair')} left out because a machine lost a run; the table of checks names each.")
    return said


def _incumbent(findings: Findings) -> list[str]:
    found = findings.confirmation
    if found is None or not found.levels:
        return []
    best = next((level for level in found.levels if level.mean is not None), None)
    if best is None or best.mean is None:
        return ["Confirm has begun, but no configuration has two finished runs yet."]
    words = findings.words
    who = f"The incumbent is {label(best.arm)}" if found.complete else f"{label(best.arm)} leads so far in confirm"
    text = f"{who}: {words.label} {estimate_text(best.mean, words)}, on fresh seeds and splits{_diverged(best)}."
    searched = found.searched.get(best.arm.name)
    if searched is None:
        return [text]
    extreme = "minimum" if words.goal == "minimize" else "maximum"
    return [f"{text} The search had chosen it at {words.show(searched)}, a {extreme} of single runs and so optimistic."]


def _parts(found: Ablation | None) -> list[str]:
    if found is None:
        return []
    every = verdicts(found)
    said = every[:VERDICTS_SHOWN]
    if len(every) > VERDICTS_SHOWN:
        said.append(f"{count(len(every) - VERDICTS_SHOWN, 'more verdict')} below.")
    return [*said, *_changed(found.comparisons, found.retuned)]


def _changed(fixed: Sequence[Comparison], retuned: Sequence[Comparison]) -> list[str]:
    """The verdicts that tuning each arm again has changed."""
    before = {part(one.arm): one.short for one in fixed}
    changed = [one for one in retuned if before.get(part(one.arm), one.short) != one.short]
    return [f"With each arm tuned again this changes: {one.verdict}" for one in changed]


def _level(level: Level, findings: Findings) -> str:
    if level.mean is None or findings.final is None:
        return ""
    before, words = same_arm(level.arm, findings.final.validation), findings.words.on(TEST)
    who = "the incumbent" if _is_incumbent(level.arm, findings) else label(level.arm)
    text = f"On the sealed test set {who} reaches {words.label} {estimate_text(level.mean, words)}"
    text += f", trained on training and {VALIDATION} data together{_diverged(level)}"
    if before is not None and before.mean is not None:
        text += f"; {VALIDATION} had said {findings.words.show(before.mean.mean)}"
    return f"{text}."


def _is_incumbent(arm: Arm, findings: Findings) -> bool:
    found = findings.confirmation
    return arm.name == INCUMBENT or bool(found and found.complete and found.levels and same_arm(arm, found.levels[:1]))


def _diverged(level: Level) -> str:
    return f"; {level.diverged} of {len(level.values)} runs diverged and count as guessing" if level.diverged else ""


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")
