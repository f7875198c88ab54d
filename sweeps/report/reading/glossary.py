"""The words of a report that a reader may not know, each with its meaning and where the documentation has more."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A word of the reports.

    Attributes:
        key: The name of its anchor.
        title: The word as its explanation shows it.
        pattern: The regular expression that finds it, with its case.
        meaning: What it means, in plain words.
        heading: The heading below which there is more.
        page: The page of the documentation that has it.
    """

    key: str
    title: str
    pattern: str
    meaning: str
    heading: str
    page: str = "docs/evidence.md"

    @property
    def link(self) -> str:
        """Where there is more: "docs/evidence.md#comparisons"."""
        return f"{self.page}#{re.sub(r'[^a-z0-9 -]', '', self.heading.lower()).replace(' ', '-')}"


TERMS = (
    Term(
        "holm",
        "Holm p",
        r"Holm(?: equivalence| sign-flip)? p\b|\bby Holm\b|\bHolm&#39;s p(?:rocedure)?\b",
        "The p-value of a comparison after Holm's correction for the number of comparisons made together. Without it, "
        "one of 20 comparisons of equal recipes would look clear by chance. Below 0.05 the difference is called clear.",
        "Comparisons",
    ),
    Term(
        "interval",
        "95 % CI",
        r"\[?95 % CI\]?|95 % intervals?",
        "The 95 % confidence interval: a range that contains the true value in 95 of 100 studies like this one.",
        "Comparisons",
    ),
    Term(
        "arm",
        "arm",
        r"\b[Aa]rms?\b",
        "One recipe that a stage trains with several seeds, to compare it with another recipe, its reference.",
        "The question that a comparison answers",
    ),
    Term(
        "incumbent",
        "incumbent",
        r"\b[Ii]ncumbent\b",
        "The recipe that won: of the candidates of the search, the one that the stage confirm chose on fresh seeds.",
        "Levels",
    ),
    Term(
        "rung",
        "rung",
        r"\b[Rr]ungs?\b",
        "An epoch at which early termination compares the trials and lets only the better ones go on.",
        "What decides in the default search",
        "docs/early-termination.md",
    ),
    Term(
        "macs",
        "MACs",
        r"\bMACs\b",
        "Multiply-accumulate operations of one forward pass on one image: how much a network computes.",
        "How large a search is",
        "docs/budget.md",
    ),
    Term(
        "d_z",
        "d_z",
        r"\bd_z\b",
        "The mean of the paired differences divided by their standard deviation: how large an effect is beside the "
        "spread from seed to seed.",
        "Comparisons",
    ),
    Term(
        "sign-flip",
        "sign-flip test",
        r"[Ss]ign-flip(?: p| test)?",
        "A second test, without a normal distribution: how often the mean difference would be as large if the sign of "
        "each pair were drawn at random.",
        "Comparisons",
    ),
    Term(
        "importance",
        "fANOVA, PED-ANOVA",
        r"\bfANOVA\b|\bPED-ANOVA\b",
        "Two methods that estimate how much of the spread of the metric over the trials of a search is due to each "
        "setting. Exploratory: they suggest what to test, and prove nothing.",
        "Importance of searched settings",
    ),
    Term(
        "equivalence",
        "equivalence",
        r"\b[Ee]quivalence\b(?! p| interval)",
        "A test that a difference is smaller than the margin of the study file, from two one-sided 5 % tests. It holds "
        "where the interval of the test lies within the margin; that is a 90 % interval, or a wider one after Holm.",
        "Comparisons",
    ),
    Term(
        "detectable",
        "detectable difference",
        r"\b[Dd]etectable(?: difference| effect)?\b|could detect\b",
        "The true difference that as many seeds of this spread would find in 80 of 100 studies. Smaller ones may exist "
        "and stay unseen.",
        "Comparisons",
    ),
)
