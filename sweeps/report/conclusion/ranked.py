"""Put the sentences of an answer in order of importance: what is clear, what is not told apart, what weakens it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sweeps.evidence import Ablation
from sweeps.evidence.ending import ending_sentences
from sweeps.evidence.findings import Findings
from sweeps.formatting import count
from sweeps.report.duplicates.sentences import duplicate_sentences
from sweeps.report.incumbent import incumbent_sentences, indistinct_sentences
from sweeps.report.sentences import VERDICTS_SHOWN, Rated, changed_verdicts, rated, tested
from sweeps.stats import ALPHA

NOTHING_YET = "No answer yet: the stages have begun, but none has a result."
NO_PAIRS = "No answer yet: no comparison has enough pairs of runs."


@dataclass(frozen=True)
class Answer:
    """An answer, the most important sentence first.

    Attributes:
        headline: The strongest finding: the largest clear effect, else the incumbent or the best trial.
        findings: The other findings: the incumbent, further effects by size, the figure of the test set.
        undecided: What could not be told apart.
        cautions: What weakens the figures: a study that broke off, optimistic values, accepted changes and others.
    """

    headline: str
    findings: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def sentences(self) -> list[str]:
        """Every sentence in its order, for a terminal, Markdown and JSON."""
        return [sentence for sentence in (self.headline, *self.findings, *self.undecided, *self.cautions) if sentence]


def ranked_answer(findings: Findings, searched: Sequence[str]) -> Answer:
    """Return the answer of a study.

    Args:
        findings: The findings of the study.
        searched: The sentences on the best trial of the search. Beside an incumbent they are cautions: the best of
            many single runs is optimistic.

    Returns:
        The answer. Its headline is empty only where `searched` is and no stage has begun.
    """
    incumbent, clear, undecided, more = incumbent_sentences(findings), *_verdicts(findings.ablation)
    chosen = incumbent or searched
    found = [*clear[:1], *chosen, *clear[1:], *_changed(findings.ablation), *tested(findings)]
    undecided = [*undecided, *more, *indistinct_sentences(findings)]
    if not found:
        found, undecided = _without_finding(findings, undecided)
    later = searched if incumbent else ()
    return Answer(found[0] if found else "", tuple(found[1:]), tuple(undecided), _cautions(findings, later))


def _verdicts(ablation: Ablation | None) -> tuple[list[str], list[str], list[str]]:
    """The first verdicts that are clear, the first that are not, and a line on those that are not shown."""
    if ablation is None:
        return [], [], []
    every = rated(ablation)
    shown, hidden = every[:VERDICTS_SHOWN], len(every) - VERDICTS_SHOWN
    more = [f"{count(hidden, 'more verdict')} in the report's section on the ablation."] if hidden > 0 else []
    return (*_divided(shown), more)


def _divided(verdicts: Sequence[Rated]) -> tuple[list[str], list[str]]:
    return (
        [one.verdict for one in verdicts if one.decided],
        [one.verdict for one in verdicts if not one.decided],
    )


def _changed(ablation: Ablation | None) -> list[str]:
    return changed_verdicts(ablation.comparisons, ablation.retuned) if ablation is not None else []


def _without_finding(findings: Findings, undecided: Sequence[str]) -> tuple[list[str], list[str]]:
    """The headline of a study in which nothing is clear, and the verdicts below it."""
    if findings.ablation is None:
        return ([NOTHING_YET] if findings.results.stages else []), list(undecided)
    if len(undecided) == 1:
        return list(undecided), []
    every = rated(findings.ablation)
    tests = sum(one.tested for one in every)
    noun = "effect" if findings.ablation.effects else "comparison"
    text = f"Inconclusive: none of {count(tests, noun)} shows a clear difference (p below {ALPHA} by Holm)."
    return [text if tests else NO_PAIRS if every else NOTHING_YET], list(undecided)


def _cautions(findings: Findings, searched: Sequence[str]) -> tuple[str, ...]:
    results = findings.results
    begun = bool(results.trials) or any(stage.trials for stage in results.stages.values())
    weaknesses = [*findings.caveats, *duplicate_sentences(findings)] if begun else []
    return (*ending_sentences(results), *searched, *weaknesses)
