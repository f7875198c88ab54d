"""A study's folder: one Optuna storage with a ledger for each stage, and the files beside it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from sqlalchemy import URL

from sweeps.files import write_atomic
from sweeps.ledger import WAY_OUT, Damaged, Ledger
from sweeps.results import SEARCH, Results
from sweeps.saved import ENVIRONMENT
from sweeps.space import Space
from sweeps.study import Study, dump

STUDY_FILE = "study.yaml"
DATABASE = "study.db"
RETUNE = "retune-"


class Store:
    """The folder of one study. One driver at a time changes it (`sweeps.lock`); anyone may read it."""

    def __init__(self, folder: Path, study: Study) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.folder = folder
        self.study = study
        self._storage = _open_storage(folder / DATABASE)
        self._ledgers: dict[str, Ledger] = {}
        self.search = self.ledger(SEARCH, study.space)

    @classmethod
    def open(cls, folder: Path, study: Study) -> Store:
        """The store in `folder`, begun if it is new. What may grow of `study` replaces what the folder holds."""
        store = cls(folder, study)
        write_atomic(folder / STUDY_FILE, dump(study))
        return store

    def close(self) -> None:
        """Let go of the database."""
        self._storage.engine.dispose()

    def ledger(self, stage: str, space: Space | None = None) -> Ledger:
        """The trials of a stage, begun if it is new. `space` is what they search: nothing unless given."""
        if stage not in self._ledgers:
            self._ledgers[stage] = Ledger(self._storage, self.folder, self.study, stage, space or self._space(stage))
        return self._ledgers[stage]

    def begun(self) -> list[str]:
        """The stages that have begun, in the order of their beginning."""
        return [stage for stage in optuna.get_all_study_names(self._storage) if stage != SEARCH]

    def results(self) -> Results:
        """All that is known of the study."""
        stages = {stage: self.ledger(stage).results() for stage in self.begun()}
        return Results(self.study, tuple(self.search.trials()), self.environment(), self.folder, stages)

    def reconcile(self) -> None:
        """Compare every finished trial with its record; write the records that a kill left out. Raises Damaged."""
        for stage in (SEARCH, *self.begun()):
            self.ledger(stage).reconcile()

    def environment(self) -> dict[str, Any]:
        """The provenance written so far; empty before the first run."""
        path = self.folder / ENVIRONMENT
        if not path.exists():
            return {}
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise Damaged(f"{path} cannot be read: {error}; {WAY_OUT}") from None

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Replace the provenance."""
        write_atomic(self.folder / ENVIRONMENT, json.dumps(environment, indent=2, sort_keys=True) + "\n")

    def _space(self, stage: str) -> Space:
        """A stage that tunes an arm again searches some of the study's own settings; replicates search nothing."""
        return self.study.space if stage.startswith(RETUNE) else Space.of((), {})


def _open_storage(path: Path) -> RDBStorage:
    # WAL lasts in the file; synchronous=FULL is SQLite's own default and survives a loss of power.
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.DatabaseError as error:
        raise Damaged(f"{path} cannot be read: {error}; {WAY_OUT}") from None
    url = URL.create("sqlite", database=str(path)).render_as_string()
    return RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})
