"""Write what the page of a trial shows beside its row in the table: its curve and the end of its log."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from sweeps.artifacts.layout import LOG
from sweeps.io.escape import visible
from sweeps.report.figures.search_data import MOST_OF_ALL, thinned
from sweeps.storage.results import Results
from sweeps.trial.trial import Status, Trial

CURVE_POINTS = 100  # of one curve on its page
LOG_LINES, LOG_BYTES = 15, 2_000  # of the end of a log
MOST_LOGS = 300
WITH_LOG = (Status.FAILED, Status.OUT_OF_MEMORY, Status.DIVERGED)


def curves_data(trials: Iterable[Trial]) -> list[dict[str, list[Any]] | None]:
    """Return the curve of each trial, without imputed values: epochs and values, or None where none was recorded.

    A curve with a value for each epoch from 1 on has no epochs.
    A curve has at most CURVE_POINTS epochs, and fewer where all curves together would have more than MOST_OF_ALL.
    """
    curves = [{epoch: value for epoch, value in one.measured.items() if math.isfinite(value)} for one in trials]
    share = min(1.0, MOST_OF_ALL / max(1, sum(map(len, curves))))
    return [_curve(curve, min(CURVE_POINTS, max(2, round(share * len(curve))))) if curve else None for curve in curves]


def logs_data(results: Results) -> dict[str, Any]:
    """Return the ends of the logs of trials that failed: `texts`, each once, and `at`, by row the place of its text."""
    places: dict[str, int] = {}
    at: dict[str, int] = {}
    for row, trial in enumerate(results.everything):
        if trial.status in WITH_LOG and len(at) < MOST_LOGS and (text := _end_of_log(results, trial)):
            at[str(row)] = places.setdefault(text, len(places))
    return {"texts": list(places), "at": at}


def _curve(curve: dict[int, float], most: int) -> dict[str, list[Any]]:
    epochs = thinned(sorted(curve), most=most)
    values = [float(f"{curve[epoch]:.5g}") for epoch in epochs]
    return {"values": values} if epochs == [*range(1, len(epochs) + 1)] else {"epochs": epochs, "values": values}


def _end_of_log(results: Results, trial: Trial) -> str:
    """The last lines of a trial's log; empty where it has none."""
    try:
        with (results.run_folder(trial) / LOG).open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - LOG_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join(visible(line) for line in text.rstrip().splitlines()[-LOG_LINES:])
