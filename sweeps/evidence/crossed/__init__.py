"""Accuracies and differences on a labelled set over seeds and such images: both errors, not that of the seeds alone.

docs/evidence.md explains the methods.
"""

from __future__ import annotations

from sweeps.evidence.crossed.accuracy import Basis, SetAccuracy
from sweeps.evidence.crossed.difference import SetDifference
from sweeps.evidence.crossed.summary import CrossedSet, crossed_sets

__all__ = ["Basis", "CrossedSet", "SetAccuracy", "SetDifference", "crossed_sets"]
