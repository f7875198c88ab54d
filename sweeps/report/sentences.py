"""Put the answers of the stages after the search into sentences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sweeps.artifacts.layout import TEST, VALIDATION
from sweeps.evidence import Ablation, Comparison, Effect, Level
from sweeps.evidence.findings import Findings
from sweeps.formatting import count, in_local_time
from sweeps.report.crossed.sentences import accuracy_text
from sweeps.report.means import failed_text, mean_text
from sweeps.report.tables.ablation import called, part
from sweeps.report.tables.levels import same_arm
from sweeps.stats import ALPHA
from sweeps.trial.arm import INCUMBENT, Arm

VERDICTS_SHOWN = 8  # more are in the section of the ablation


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


@dataclass(frozen=True)
class Rated:
    """A verdict with its rank in an answer.

    Attributes:
        verdict: The verdict.
        clear: Whether its p by Holm is below `ALPHA`.
        equivalent: Whether the difference is called smaller than the margin.
        tested: Whether it has a p at all.
        size: The absolute size of the difference, in the metric's units.
    """

    verdict: str
    clear: bool
    equivalent: bool
    tested: bool
    size: float

    @classmethod
    def of(cls, one: Comparison | Effect) -> Rated:
        """Rate a comparison or an effect."""
        estimate = one.estimate if isinstance(one, Effect) else one.paired.estimate if one.paired else None
        clear = one.p_holm is not None and one.p_holm < ALPHA
        equivalent = one.equivalence is not None and one.equivalence.claimed
        size = abs(estimate.mean) if estimate is not None else 0.0
        return cls(one.verdict, clear, equivalent, one.p_holm is not None, size)

    @property
    def decided(self) -> bool:
        """Whether it tells a difference, or that there is none that matters."""
        return self.clear or self.equivalent

    @property
    def rank(self) -> tuple[bool, bool, bool, float]:
        """What is larger comes first: clear differences by size, then equivalences, then what is not clear."""
        return self.clear, self.equivalent, self.tested, self.size


def rated(ablation: Ablation) -> list[Rated]:
    """Return the verdict on each effect of a factorial, else on each arm: the largest clear difference first."""
    return _by_rank([*ablation.effects, *ablation.comparisons])


def strongest_first(found: Iterable[Comparison | Effect]) -> list[str]:
    """Return the verdicts on comparisons or effects, the largest clear difference first."""
    return [one.verdict for one in _by_rank(found)]


def _by_rank(found: Iterable[Comparison | Effect]) -> list[Rated]:
    return sorted(map(Rated.of, found), key=lambda one: one.rank, reverse=True)


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


def changed_verdicts(fixed: Sequence[Comparison], retuned: Sequence[Comparison]) -> list[str]:
    """Return the verdicts that changed when each arm was tuned again."""
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
