"""The result cache: a run that was made before, in any study of the runs folder, is taken from there.

Two runs are the same run when stage, recipe, seeds, data, training code, device kind and library versions are equal.
An entry only points to a finished trial; what it says is read from that trial's own record, which proves itself.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.artifacts.curves import read_curves
from sweeps.artifacts.layout import CURVES, RECORD, trial_folder
from sweeps.artifacts.record import BadRecord, read_record
from sweeps.io.errors import Unavailable
from sweeps.io.files import write_atomic
from sweeps.trial.trial import Status, Trial
from sweeps.workload.references import References

FOLDER = ".cache"
# What training computes with; the engine's own libraries change no figure.
NUMERICAL = ("python", "torch", "torchvision", "numpy", "scikit-learn")


@dataclass(frozen=True)
class CachedRun:
    """A finished run: its record, every row of its curve, and its name (study/stage/number)."""

    trial: Trial
    rows: list[dict[str, float]]
    source: str


@dataclass(frozen=True)
class ResultCache:
    """The cache of a runs folder. `environment` is that of the study that asks; a cache that is off finds nothing.

    `references` tells of the models of other studies that a recipe goes on from: a run that learned from another
    teacher is another run.
    """

    runs: Path
    environment: Mapping[str, Any]
    on: bool = True
    references: References | None = None

    def key(self, stage: str, settings: Mapping[str, Any], seed: int, split_seed: int, entries: Any = ()) -> str:
        """The name of a run; `entries` are the labelled sets that it is evaluated on.

        Empty where the workload does not name its data, or where a model that the recipe goes on from is not there:
        then nothing says that two runs are the same.
        """
        if not self.environment.get("data", {}).get("fingerprint"):
            return ""
        try:
            learned = self.references.digests(settings) if self.references is not None else {}
        except Unavailable:
            return ""
        versions = self.environment.get("versions", {})
        facts = {
            "stage": stage,
            "settings": settings,
            "seeds": [seed, split_seed],
            "entries": entries,
            "data": self.environment.get("data", {}).get("fingerprint"),
            "code": self.environment.get("workload"),
            "device": self.environment.get("device"),
            "versions": {name: versions[name] for name in NUMERICAL if name in versions},
            **({"references": learned} if learned else {}),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()

    def find(self, key: str) -> CachedRun | None:
        """The finished run called `key`, where its record is still there and says so."""
        if not self.on or not key:
            return None
        try:
            entry = json.loads((self.runs / FOLDER / f"{key}.json").read_text(encoding="utf-8"))
            study, stage, number = str(entry["study"]), str(entry["stage"]), int(entry["number"])
            if not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", part) for part in (study, stage)):
                return None
            folder = trial_folder(self.runs / study, number, stage)
            trial = read_record(folder / RECORD)
            rows = read_curves(folder / CURVES)
        except (OSError, ValueError, KeyError, TypeError, BadRecord):
            return None
        whole = trial.status is Status.COMPLETE and trial.key == key and rows and _agree(rows, trial.curve)
        return CachedRun(trial, rows, trial.source or f"{study}/{stage}/{number}") if whole else None

    def note(self, trial: Trial, study: str) -> None:
        """Make a finished run of the study in folder `study` known."""
        if trial.status is not Status.COMPLETE or not trial.key or trial.source:
            return
        folder = self.runs / FOLDER
        folder.mkdir(exist_ok=True)
        entry = {"study": study, "stage": trial.stage, "number": trial.number}
        write_atomic(folder / f"{trial.key}.json", json.dumps(entry) + "\n")


def _agree(rows: list[dict[str, float]], curve: Mapping[int, float]) -> bool:
    """Whether a column of the rows, which no hash protects, is the record's curve; of a final there is none."""
    columns = ({int(row["epoch"]): row.get(name) for row in rows} for name in rows[0])
    return not curve or any(column == curve for column in columns)
