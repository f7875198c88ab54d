"""What weakens the figures of a report: accepted changes, teachers of the same data, workers that died."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeps.artifacts.layout import VALIDATION
from sweeps.formatting import count
from sweeps.storage.drift import Drift
from sweeps.storage.results import SAME_DATA, Results


def caveats(results: Results) -> list[str]:
    """A sentence for each."""
    return [*_drifted(results), *_taught(results), *_died(results)]


def changes(environment: Mapping[str, Any]) -> dict[str, str]:
    """The changes that were accepted, by when, in words: for the provenance."""
    told = {}
    for number, accepted in enumerate(environment.get("drift", ()), start=1):
        listed = "; ".join(str(Drift(**change)) for change in accepted["changes"])
        told[f"drift {number}, accepted at {accepted['at']}"] = listed
    return told


def _drifted(results: Results) -> list[str]:
    told = changes(results.environment)
    if not told:
        return []
    runs = results.everything
    later = sum(trial.drift > 0 for trial in runs)
    return [
        f"{later:,} of {count(len(runs), 'run')} were made after a change that was accepted "
        f"({'; '.join(told.values())}): figures from before and after are not of the same thing."
    ]


def _taught(results: Results) -> list[str]:
    """That runs learned from a model which has seen their validation images."""
    named = results.environment.get(SAME_DATA, ())
    if not named:
        return []
    return [
        f"Runs of this study learn from {', '.join(named)}, trained on the same data and so perhaps on images "
        f"that they are validated on: their {VALIDATION} figures may be optimistic, those of the test set are not."
    ]


def _died(results: Results) -> list[str]:
    """That workers died under runs which went on from their checkpoints: it changes no figure."""
    died = [trial for trial in results.everything if trial.deaths]
    if not died:
        return []
    times = count(sum(trial.deaths for trial in died), "time")
    return [f"Workers died {times} under {count(len(died), 'run')}, which went on from their checkpoints."]
