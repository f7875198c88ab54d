"""Explain how a search decided, from the decisions on record: which trial went on, why, and what was predicted.

Whatever is missing or damaged in a record is None here: an explanation never fails on what it explains.
"""

from __future__ import annotations

from sweeps.evidence.search.calibration import Calibration, Coverage, calibration
from sweeps.evidence.search.decisions import Candidate, Decision, Prediction, Rung, Step, steps_of
from sweeps.evidence.search.history import RungCount, SearchHistory, search_history
from sweeps.evidence.search.sentences import (
    changed_text,
    history_sentences,
    none_recorded,
    prediction_text,
    reason_of,
)

__all__ = [
    "Calibration",
    "Candidate",
    "Coverage",
    "Decision",
    "Prediction",
    "Rung",
    "RungCount",
    "SearchHistory",
    "Step",
    "calibration",
    "changed_text",
    "history_sentences",
    "none_recorded",
    "prediction_text",
    "reason_of",
    "search_history",
    "steps_of",
]
