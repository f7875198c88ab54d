"""What can be trained: the workload protocol, and the loader that imports a workload by its name.

Workloads import their names from here; `sweeps.workload.workload` describes the functions that a workload may offer.
"""

from __future__ import annotations

from sweeps.artifacts.references import Saved, is_reference
from sweeps.io.errors import Unavailable
from sweeps.trial.seeds import stream
from sweeps.workload.loader import load
from sweeps.workload.protocol import BadWorkload, Exported, Metrics, Predictions, Prepared, Sharing, Site, Tuned
from sweeps.workload.run import Preempted, Run
from sweeps.workload.workload import Workload

__all__ = [
    "BadWorkload",
    "Exported",
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
    "is_reference",
    "load",
    "stream",
]
