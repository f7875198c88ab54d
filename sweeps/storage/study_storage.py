"""Write a study's folder: begin its stages, and keep its study file, provenance and records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sweeps.artifacts.layout import DATABASE, ENVIRONMENT, SEARCH, STAGES, STOP_FILE, STUDY_FILE
from sweeps.io.disk import Unwritable
from sweeps.io.files import remove_leftovers, write_atomic
from sweeps.space.space import Space
from sweeps.storage.database.connection import open_for_writing, remove_unfinished
from sweeps.storage.database.rdb import CachedRDBStorage
from sweeps.storage.integrity import save_missing
from sweeps.storage.results import Results
from sweeps.storage.stage_storage import StageStorage
from sweeps.storage.study_reader import StudyReader
from sweeps.study.study import Study, dump


class StudyStorage(StudyReader):
    """The folder of one study, for the one driver at a time that may change it (`sweeps.io.lock`).

    Attributes:
        search: The storage of the search.
    """

    _storage: CachedRDBStorage

    def __init__(self, folder: Path, study: Study) -> None:
        """Open the database in `folder`, or create it. Raises Damaged if it cannot be read."""
        super().__init__(folder, study)
        self._stages: dict[str, StageStorage] = {}
        with self._readable():
            self.search = self.stage(SEARCH)

    @classmethod
    def open(cls, folder: Path, study: Study) -> StudyStorage:
        """Open the storage in `folder`, and replace the study file there by `study`, which may have grown."""
        remove_unfinished(folder / DATABASE)
        for place in (folder, folder / STAGES):
            remove_leftovers(place, of_0_1_0=True)
        storage = cls(folder, study)
        write_atomic(folder / STUDY_FILE, dump(study))
        return storage

    @property
    def stop_file(self) -> Path:
        """The file that asks the study's runs to end at their next checkpoint, as long as it exists."""
        return self.folder / STOP_FILE

    def stage(self, stage: str, space: Space | None = None) -> StageStorage:
        """Return the storage of a stage, which is begun if it is new.

        Args:
            stage: The stage's name.
            space: What its trials search. By default the study's space for a stage that tunes an arm again, and an
                empty one for a stage of replicates.
        """
        if stage not in self._stages:
            self._stages[stage] = StageStorage(
                self._storage, self.folder, self.study, stage, space or self._space(stage)
            )
        return self._stages[stage]

    def results(self) -> Results:
        """Return the results of the study so far. Raises Damaged if they cannot be read."""
        with self._readable():
            self._storage.take_in()
        return super().results()

    def reconcile(self) -> None:
        """Compare the database with the records, and write the records that a kill prevented.

        A reader does not write them: a driver beside it may be about to record the same trials.

        Raises:
            Damaged: They contradict each other, or one of them cannot be read.
        """
        super().reconcile()
        with self._readable():
            for name in self._stages_begun():
                save_missing(self.stage(name))
                self.stage(name).mark()

    def give_up_unfinished(self, reason: str) -> None:
        """Abandon the trials that an earlier driver left unfinished. Their configurations are trained again."""
        for name in (SEARCH, *self.begun()):
            stage = self.stage(name)
            for number, _ in stage.unfinished():
                stage.abandon(number, reason, again=True)

    def write_environment(self, environment: Mapping[str, Any]) -> None:
        """Replace the recorded provenance."""
        write_atomic(self.folder / ENVIRONMENT, json.dumps(environment, indent=2, sort_keys=True) + "\n")

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Explain the errors of the block: a full disk or one that may not be written is no damage."""
        with super()._readable():
            try:
                yield
            except Exception as error:
                unwritable = Unwritable.explaining(error, self.folder)
                if unwritable is not None:
                    raise unwritable from error
                raise

    def _opened(self) -> CachedRDBStorage:
        return CachedRDBStorage(open_for_writing(self.folder / DATABASE), own_only=True)
