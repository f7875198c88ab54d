"""Evaluate the stages after the search: levels of arms, paired comparisons and effects, from recorded runs alone.

docs/evidence.md explains the methods. A diverged run counts at chance level. A run lost by a machine has no value: its
pair is left out, counted and named.
"""

from __future__ import annotations

from sweeps.evidence.comparison import Comparison
from sweeps.evidence.effect import Effect
from sweeps.evidence.level import Level, Missing
from sweeps.evidence.summary import Ablation, ablation, confirmation, final

__all__ = ["Ablation", "Comparison", "Effect", "Level", "Missing", "ablation", "confirmation", "final"]
