"""Put the answers of the stages after the search into sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sweeps.artifacts.layout import TEST, VALIDATION
from sweeps.evidence import Ablation, Comparison, Effect, Level
from sweeps.evidence.findings import Findings
from sweeps.evidence.verdict import PATH
from sweeps.formatting import count, in_local_time
from sweeps.report.crossed.sentences import accuracy_text
from sweeps.report.incumbent import incumbent_sentences
from sweeps.report.means import failed_text, mean_text
from sweeps.report.tables.ablation import called, part
from sweeps.report.tables.levels import same_arm
from sweeps.stats import ALPHA, Estimate
from sweeps.trial.arm import INCUMBENT, Arm

VERDICTS_SHOWN = 8  # more are in the section of the ablation


def evidence_answer(findings: Findings) -> list[str]:
    """Return the incumbent, the verdicts of the ablation, the test figure and the caveats; empty before any run."""
    sentences = [*incumbent_sentences(findings), *_ablation(findings.ablation), *tested(findings)]
    return [*sentences, *findings.caveats] if sentences or findings.results.trials else []


def tested(findings: Findings) -> list[str]:
    """Return the figure of the test set and the number of its openings; empty while it is sealed."""
    if findings.final is None or not findings.final.sets:
        return []
    levels = findings.final.sets[0].levels
    first = _test_level(levels[0], findings) if levels else ""
    return [sentence for sentence in (first, opened(findings)) if sentence]


def opened(findings: Findings) -> str:
    """Return how often the test set was opened, by this study and by others; empty while it is sealed."""
    here, before = len(findings.openings), findings.earlier_openings
    if not here + before:
        return ""
    if not here:
        by = "by others" if before > 1 else "by another study"
        return f"This study has not opened the test set: its figures are those of a run that was opened before ({by})."
    text = f"This test set has been opened {_times(here + before)}"
    if not before:
        return f"{text}, by this study.{_opened_in_part(findings)}"
    others = "another study" if before == 1 else "others"
    text += f": {_times(here)} by this study, {_times(before)} by {others}; each further opening weakens the figure."
    return f"{text}{_opened_in_part(findings)}"


def _opened_in_part(findings: Findings) -> str:
    """A sentence for each other test set that was opened and shares images with this one."""
    text = ""
    for opening in findings.openings_of_parts:
        by = f"with another test set, by {opening['study']} at {in_local_time(opening['at'])}"
        images = f"of its {opening['size']:,} test images were opened before {by}."
        number = "It is not known how many" if opening["shared"] is None else f"{opening['shared']:,}"
        text += f" {number} {images}"
    return text


def verdicts(ablation: Ablation) -> list[str]:
    """Return the verdict on each effect of a factorial, else on each arm: the largest clear difference first.

    Verdicts that are not clear by Holm's p come after those that are. The steps of a path keep their order.
    """
    if ablation.design == PATH:
        return [one.verdict for one in ablation.comparisons]
    return strongest_first([*ablation.effects, *ablation.comparisons])


def strongest_first(found: Iterable[Comparison | Effect]) -> list[str]:
    """Return the verdicts on comparisons or effects, the largest clear difference first."""

    def size(one: Comparison | Effect) -> tuple[bool, bool, float]:
        if isinstance(one, Effect):
            return _size(one.estimate, one.p_holm)
        return _size(one.paired.estimate if one.paired else None, one.p_holm)

    return [one.verdict for one in sorted(found, key=size, reverse=True)]


def _size(estimate: Estimate | None, p_holm: float | None) -> tuple[bool, bool, float]:
    """How strong a finding is: whether it is clear, whether there is an estimate at all, and how large it is."""
    clear = p_holm is not None and p_holm < ALPHA
    return clear, estimate is not None, abs(estimate.mean) if estimate else 0.0


def missing_runs(ablation: Ablation) -> list[str]:
    """Return a sentence for each kind of run that the ablation leaves out."""
    sentences = []
    if ablation.superseded:
        runs = count(ablation.superseded, "earlier run")
        sentences.append(f"{runs} of another incumbent or recipe left out: they are in tables/replicates.csv.")
    if lost := sum(len(one.missing) for one in ablation.comparisons):
        text = "left out because a run has no figure; the table of checks names each, with the reason"
        sentences.append(f"{count(lost, 'pair')} {text}.")
    return sentences


def _ablation(ablation: Ablation | None) -> list[str]:
    """The first verdicts, the number of the others, and what re-tuning changed."""
    if ablation is None:
        return []
    every = verdicts(ablation)
    shown = every[:VERDICTS_SHOWN]
    if len(every) > VERDICTS_SHOWN:
        shown.append(f"{count(len(every) - VERDICTS_SHOWN, 'more verdict')} in the report's section on the ablation.")
    return [*shown, *_changed(ablation.comparisons, ablation.retuned)]


def _changed(fixed: Sequence[Comparison], retuned: Sequence[Comparison]) -> list[str]:
    """The verdicts that changed when each arm was tuned again."""
    before = {part(one.arm): one.short for one in fixed}
    changed = [one for one in retuned if before.get(part(one.arm), one.short) != one.short]
    return [f"With each arm tuned again the verdict changes: {one.verdict}" for one in changed]


def _test_level(level: Level, findings: Findings) -> str:
    if level.center is None or findings.final is None:
        return ""
    before, words = same_arm(level.arm, findings.final.validation), findings.metric_format.on(TEST)
    name = "the incumbent" if _is_incumbent(level.arm, findings) else called(level.arm)
    accuracy = findings.crossed[TEST].accuracies.get(level.arm.name) if TEST in findings.crossed else None
    figure = accuracy_text(accuracy, words) if accuracy else mean_text(level, words)
    text = f"On the sealed test set {name} reaches {words.label} {figure}"
    text += f", trained on training and {VALIDATION} data together{failed_text(level)}"
    if before is not None and before.center is not None:
        text += f"; on {VALIDATION} data it had {findings.metric_format.show(before.center)}"
    return f"{text}."


def _is_incumbent(arm: Arm, findings: Findings) -> bool:
    """Whether an arm is the incumbent, by its name or as the choice of a complete confirm."""
    confirmation = findings.confirmation
    if arm.name == INCUMBENT:
        return True
    if confirmation is None or not confirmation.complete or confirmation.chosen is None:
        return False
    return bool(same_arm(arm, [confirmation.chosen]))


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")
