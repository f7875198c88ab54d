"""What the stages after the search have shown: levels of arms and paired comparisons, from recorded runs alone.

Follows docs/evidence.md. A run that diverged counts with the metric that guessing reaches; a run that a machine lost is
a missing value, whose pair is left out, counted and named.
"""

from __future__ import annotations

from sweeps.evidence.comparison import Comparison, Pair, Terms, comparisons
from sweeps.evidence.effect import Effect, effects
from sweeps.evidence.level import Figure, Level, Missing, level, levels
from sweeps.evidence.summary import (
    Ablation,
    Confirmation,
    FinalEvidence,
    LabelledSetResult,
    ablation,
    confirmation,
    final,
)

__all__ = [
    "Ablation",
    "Comparison",
    "Confirmation",
    "Effect",
    "Figure",
    "FinalEvidence",
    "LabelledSetResult",
    "Level",
    "Missing",
    "Pair",
    "Terms",
    "ablation",
    "comparisons",
    "confirmation",
    "effects",
    "final",
    "level",
    "levels",
]
