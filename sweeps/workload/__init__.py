"""Workloads: what a study can train, and how to write one.

A workload imports its names from this package. `sweeps.workload.workload` describes the functions that it may have,
`sweeps.workload.run` the object that it trains with, and `sweeps.workload.protocol` the values that it returns.
`exact_pairs`, `near_candidates`, `with_copies` and `groups` find duplicates among images by their hashes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sweeps.artifacts.references import Saved, is_reference
from sweeps.io.errors import Unavailable
from sweeps.trial.seeds import stream
from sweeps.workload.loader import load
from sweeps.workload.protocol import (
    GPU_MEMORY,
    BadWorkload,
    DataFile,
    DataFiles,
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
from sweeps.workload.run import DeviceLost, Preempted, Run
from sweeps.workload.workload import Workload

if TYPE_CHECKING:
    from sweeps.duplicates.exact import exact_pairs, with_copies
    from sweeps.duplicates.groups import groups
    from sweeps.duplicates.near import near_candidates

# Imported when they are first used, because they load NumPy.
_MODULES = {
    "exact_pairs": "sweeps.duplicates.exact",
    "groups": "sweeps.duplicates.groups",
    "near_candidates": "sweeps.duplicates.near",
    "with_copies": "sweeps.duplicates.exact",
}

__all__ = [
    "GPU_MEMORY",
    "BadWorkload",
    "DataFile",
    "DataFiles",
    "DeviceLost",
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


def __getattr__(name: str) -> Any:
    """Import a name at its first use."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value
    return value
