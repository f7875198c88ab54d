"""Read a study's folder: one Optuna database with a study for each stage, and the files beside it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from sweeps.artifacts.layout import DATABASE, ENVIRONMENT, RETUNE, SEARCH, is_stage, stages_kept
from sweeps.io.disk import Unwritable
from sweeps.io.errors import Refused, UserError
from sweeps.space.space import Space
from sweeps.storage.database.connection import open_for_reading
from sweeps.storage.database.rdb import CachedRDBStorage
from sweeps.storage.integrity import Damaged, compare, way_out
from sweeps.storage.results import Results
from sweeps.storage.stage_reader import StageReader
from sweeps.study.study import Study

# What SQLAlchemy, Optuna and our own readers raise for rows that are damaged.
BROKEN = (ValueError, LookupError, TypeError, AttributeError, RuntimeError)


class StudyReader:
    """The folder of one study. Nothing here writes, so that a folder may be read that may not be written.

    Attributes:
        folder: The study's folder.
        study: The study.
    """

    def __init__(self, folder: Path, study: Study) -> None:
        """Open the database in `folder`. Raises Damaged if it cannot be read."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.folder = folder
        self.study = study
        with self._readable():
            self._storage = self._opened()

    def close(self) -> None:
        """Close the database."""
        if self._storage is not None:
            self._storage.close()

    def stage(self, stage: str) -> StageReader:
        """Return what is known about a stage that has begun."""
        assert self._storage is not None  # or no stage has begun
        return StageReader(self._storage, self.folder, self.study, stage, self._space(stage))

    def begun(self) -> list[str]:
        """Return the stages after the search that have begun, in the order in which they began."""
        return [stage for stage in self._stages_begun() if stage != SEARCH]

    def results(self) -> Results:
        """Return the results of the study so far. Raises Damaged if they cannot be read."""
        with self._readable():
            stages = {name: self.stage(name).results() for name in self._stages_begun()}
            search = stages.pop(SEARCH, None)
            if search is None:
                return Results(self.study, (), self.environment(), self.folder, stages)
            environment, foreign = self.environment(), search.foreign
            return Results(self.study, search.trials, environment, self.folder, stages, foreign, search.facts)

    def reconcile(self) -> None:
        """Compare the database with the records of trials and stages.

        Raises:
            Damaged: They contradict each other, or one of them cannot be read.
        """
        with self._readable():
            names = self._stages_begun()
            for name in names:
                compare(self.stage(name), way_out(self.folder.name))
            for lost in sorted(stages_kept(self.folder) - set(names)):
                raise Damaged(
                    f"the stage {lost} has files in {self.folder} but is not in its study.db; "
                    f"{way_out(self.folder.name)}"
                )

    def environment(self) -> dict[str, Any]:
        """Return the recorded provenance; empty before the first run. Raises Damaged if it cannot be read."""
        path = self.folder / ENVIRONMENT
        if not path.exists():
            return {}
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise Damaged(f"{path} cannot be read: {error}; {way_out(self.folder.name)}") from None

    def _readable(self) -> AbstractContextManager[None]:
        """Return a context manager that explains the errors of its block."""
        return readable(self.folder)

    def _opened(self) -> CachedRDBStorage | None:
        """Open the database; None if there is none yet."""
        backend = open_for_reading(self.folder / DATABASE)
        return None if backend is None else CachedRDBStorage(backend, own_only=True)

    def _stages_begun(self) -> list[str]:
        """Return the stages that have begun. Studies of other programs in the same database are none."""
        names = [] if self._storage is None else optuna.get_all_study_names(self._storage)
        return [name for name in names if is_stage(name)]

    def _space(self, stage: str) -> Space:
        """Return the space that a stage searches: an empty one for a stage of replicates."""
        return self.study.space if stage == SEARCH or stage.startswith(RETUNE) else Space.of((), {})


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Turn errors of the block into Damaged if the database caused them, or into Refused if this user may not read."""
    try:
        yield
    except (UserError, Unwritable):
        raise
    except PermissionError as error:
        raise Refused(f"{error.filename or folder} may not be read by this user") from error
    except (SQLAlchemyError, sqlite3.Error, StorageInternalError, OSError, *BROKEN) as error:
        first_line = (str(error).splitlines() or [""])[0]
        raise Damaged(
            f"{folder / DATABASE} cannot be read: {type(error).__name__}: {first_line}; {way_out(folder.name)}"
        ) from error
