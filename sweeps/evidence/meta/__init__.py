"""Combine the ablations of the same components over several studies: data sets, architectures, budgets."""

from __future__ import annotations

from sweeps.evidence.meta.analysis import Incompatible, MetaAnalysis, StudyDifference, meta_analyses, reservations
from sweeps.evidence.meta.sentences import agreement, headline

__all__ = ["Incompatible", "MetaAnalysis", "StudyDifference", "agreement", "headline", "meta_analyses", "reservations"]
