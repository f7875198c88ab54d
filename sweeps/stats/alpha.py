"""The significance level of every test and interval."""

from __future__ import annotations

ALPHA = 0.05  # two-sided; intervals have the coverage 1 - ALPHA
