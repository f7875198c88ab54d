"""The goal of a metric: whether larger or smaller values are better."""

from __future__ import annotations

from typing import Literal

Goal = Literal["maximize", "minimize"]


def sign(goal: Goal) -> float:
    """Return the factor by which to multiply a metric so that higher is better: 1 or -1."""
    return 1.0 if goal == "maximize" else -1.0
