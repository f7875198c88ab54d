"""Ablations and hyperparameter sweeps of image classifiers: search, confirm, ablate, report.

The public API. Names are imported when they are first used, so that `import sweeps` takes no time.

Example:
    >>> import sweeps
    >>> outcome = sweeps.run("studies/quickstart.yaml")
    >>> outcome.results.answer[0]
    >>> sweeps.load("quickstart").figures.forest()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sweeps.api.figures import Figures
    from sweeps.api.models import Model
    from sweeps.api.results import StudyResults, load, studies
    from sweeps.api.run import StudyOutcome, run
    from sweeps.api.study import Study
    from sweeps.engine.signals import Stopped
    from sweeps.io.disk import Unwritable
    from sweeps.io.errors import Refused, Unavailable, UserError
    from sweeps.models.trained import NoModel
    from sweeps.prepare.prepared import Infeasible
    from sweeps.report.figures.panel import FigureNotApplicable
    from sweeps.report.figures.registry import NoFigure
    from sweeps.runners.protocol import RunnerError, RunnerLost
    from sweeps.storage.drift import Drifted
    from sweeps.storage.integrity import Damaged
    from sweeps.storage.runs import NotFound
    from sweeps.study.problems import StudyError
    from sweeps.workload import BadWorkload, Run

_MODULES = {
    "BadWorkload": "sweeps.workload",
    "Damaged": "sweeps.storage.integrity",
    "Drifted": "sweeps.storage.drift",
    "FigureNotApplicable": "sweeps.report.figures.panel",
    "Figures": "sweeps.api.figures",
    "Infeasible": "sweeps.prepare.prepared",
    "Model": "sweeps.api.models",
    "NoFigure": "sweeps.report.figures.registry",
    "NoModel": "sweeps.models.trained",
    "NotFound": "sweeps.storage.runs",
    "Refused": "sweeps.io.errors",
    "Run": "sweeps.workload",
    "RunnerError": "sweeps.runners.protocol",
    "RunnerLost": "sweeps.runners.protocol",
    "Stopped": "sweeps.engine.signals",
    "Study": "sweeps.api.study",
    "StudyError": "sweeps.study.problems",
    "StudyOutcome": "sweeps.api.run",
    "StudyResults": "sweeps.api.results",
    "Unavailable": "sweeps.io.errors",
    "Unwritable": "sweeps.io.disk",
    "UserError": "sweeps.io.errors",
    "load": "sweeps.api.results",
    "run": "sweeps.api.run",
    "studies": "sweeps.api.results",
}

__all__ = [
    "BadWorkload",
    "Damaged",
    "Drifted",
    "FigureNotApplicable",
    "Figures",
    "Infeasible",
    "Model",
    "NoFigure",
    "NoModel",
    "NotFound",
    "Refused",
    "Run",
    "RunnerError",
    "RunnerLost",
    "Stopped",
    "Study",
    "StudyError",
    "StudyOutcome",
    "StudyResults",
    "Unavailable",
    "Unwritable",
    "UserError",
    "load",
    "run",
    "studies",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("cifar-sweep")
    if name not in _MODULES:
        raise AttributeError(f"module 'sweeps' has no attribute {name!r}")
    value = getattr(import_module(_MODULES[name]), name)
    globals()[name] = value  # the next access finds it at once
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
