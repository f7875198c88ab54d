"""The result cache: reuse the result of a run that any study of the runs folder has made before.

Two runs are the same run if stage, recipe, seeds, data, training code, device kind and library versions are equal. An
entry of the cache only points to a finished trial. The result is read from that trial's sealed record.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeps.artifacts.curves import EPOCH, read_curves
from sweeps.artifacts.layout import CURVES, RECORD, is_name, trial_folder
from sweeps.artifacts.record import BadRecord, read_record
from sweeps.io.errors import Unavailable
from sweeps.io.files import write_atomic
from sweeps.storage.drift import LIBRARIES, TRAINING
from sweeps.trial.trial import Status, Trial
from sweeps.workload.references import References

FOLDER = ".cache"


@dataclass(frozen=True)
class CachedRun:
    """A finished run in the cache.

    Attributes:
        trial: The trial, from its record.
        rows: The rows of its `curves.csv`.
        source: The trial that was trained: study/stage/number.
    """

    trial: Trial
    rows: list[dict[str, float]]
    source: str


@dataclass(frozen=True)
class ResultCache:
    """The cache of a runs folder, as one study uses it.

    Attributes:
        runs: The runs folder.
        environment: The study's provenance.
        on: Whether results are reused; if not, `find` returns None.
        references: Finds the trials of other studies to which a recipe refers. A run that learned from another model is
            another run.
    """

    runs: Path
    environment: Mapping[str, Any]
    on: bool = True
    references: References | None = None

    def key(self, stage: str, settings: Mapping[str, Any], seed: int, split_seed: int, entries: Any = ()) -> str:
        """Return the key of a run.

        Args:
            stage: The stage's name.
            settings: The resolved recipe.
            seed: The seed of the training.
            split_seed: The seed of the split of the data.
            entries: The labelled sets on which the run is evaluated.

        Returns:
            A SHA-256; empty if the data has no fingerprint or a model to which the recipe refers is missing, because
            then nothing shows that two runs are the same.
        """
        if not self.environment.get("data", {}).get("fingerprint"):
            return ""
        try:
            models = self.references.digests(settings) if self.references is not None else {}
        except Unavailable:
            return ""
        versions = self.environment.get("versions", {})
        facts = {
            "stage": stage,
            "settings": settings,
            "seeds": [seed, split_seed],
            "entries": entries,
            "data": self.environment.get("data", {}).get("fingerprint"),
            "code": self._code(),
            "device": self.environment.get("device"),
            "versions": {name: versions[name] for name in versions if LIBRARIES.get(name) == TRAINING},
            **({"references": models} if models else {}),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()

    def _code(self) -> dict[str, Any] | None:
        """The name of the workload and the hash of its code.

        A hash of version 2 equals that of version 1 where the workload imports nothing from outside its folder, so
        results that version 1 has keyed are found exactly where it covered all of the code.
        """
        code = self.environment.get("workload")
        return code and {name: code[name] for name in ("name", "code_sha256") if name in code}

    def find(self, key: str) -> CachedRun | None:
        """Find the finished run with this key.

        Returns:
            The run; None if the cache has none, or if its record is missing, damaged or that of another run.
        """
        if not self.on or not key:
            return None
        try:
            entry = json.loads((self.runs / FOLDER / f"{key}.json").read_text(encoding="utf-8"))
            study, stage, number = str(entry["study"]), str(entry["stage"]), int(entry["number"])
            if not (is_name(study) and is_name(stage)):  # an edited entry must not lead out of the runs folder
                return None
            folder = trial_folder(self.runs / study, number, stage)
            trial = read_record(folder / RECORD)
            rows = read_curves(folder / CURVES)
        except (OSError, ValueError, KeyError, TypeError, BadRecord):
            return None
        usable = trial.status is Status.COMPLETE and trial.key == key and rows and _agree(rows, trial.curve)
        return CachedRun(trial, rows, trial.source or f"{study}/{stage}/{number}") if usable else None

    def note(self, trial: Trial, study: str) -> None:
        """Add a finished run to the cache, unless its own result came from there.

        Args:
            trial: The run.
            study: The name of its study's folder.
        """
        if trial.status is not Status.COMPLETE or not trial.key or trial.source:
            return
        folder = self.runs / FOLDER
        folder.mkdir(exist_ok=True)
        entry = {"study": study, "stage": trial.stage, "number": trial.number}
        write_atomic(folder / f"{trial.key}.json", json.dumps(entry) + "\n")


def _agree(rows: list[dict[str, float]], curve: Mapping[int, float]) -> bool:
    """Whether one column of the rows is the record's curve, which is empty in the stage final.

    `read_record` does not check the hash of `curves.csv`. The name of the column is not known here: the metric of the
    other study may have another name.
    """
    columns = ({int(row[EPOCH]): row.get(name) for row in rows} for name in rows[0])
    return not curve or any(column == curve for column in columns)
