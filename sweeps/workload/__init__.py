"""Workloads: what a study can train, and how to write one.

A workload imports its names from this package. `sweeps.workload.workload` describes the functions that it may have,
`sweeps.workload.run` the object that it trains with, and `sweeps.workload.protocol` the values that it returns.
`exact_pairs`, `near_candidates`, `with_copies` and `groups` find duplicates among images by their hashes.
"""

from __future__ import annotations

from sweeps.artifacts.references import Saved, is_reference
from sweeps.duplicates.exact import exact_pairs, with_copies
from sweeps.duplicates.groups import groups
from sweeps.duplicates.near import near_candidates
from sweeps.io.errors import Unavailable
from sweeps.trial.seeds import stream
from sweeps.workload.loader import load
from sweeps.workload.protocol import (
    BadWorkload,
    DuplicatePolicy,
    Exported,
    ImageHashes,
    Metrics,
    Predictions,
    Prepared,
    Sharing,
    Site,
    Tuned,
)
from sweeps.workload.run import Preempted, Run
from sweeps.workload.workload import Workload

__all__ = [
    "BadWorkload",
    "DuplicatePolicy",
    "Exported",
    "ImageHashes",
    "Metrics",
    "Predictions",
    "Preempted",
    "Prepared",
    "Run",
    "Saved",
    "Sharing",
    "Site",
    "Tuned",
    "Unavailable",
    "Workload",
    "exact_pairs",
    "groups",
    "is_reference",
    "load",
    "near_candidates",
    "stream",
    "with_copies",
]
