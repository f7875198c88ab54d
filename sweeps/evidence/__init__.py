"""Evaluate the stages after the search: levels of arms, paired comparisons and effects, from recorded runs alone.

docs/evidence.md explains the methods. A diverged run counts at chance level. A run lost by a machine has no value: its
pair is left out, counted and named.
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
