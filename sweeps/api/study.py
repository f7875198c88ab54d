"""A study as users hold it: its definition, checked against its workload."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeps.study import study as definitions
from sweeps.study.document import from_text
from sweeps.validation.checks import accept
from sweeps.validation.loading import Edits, load_study
from sweeps.validation.warnings import warnings
from sweeps.workload import Workload

if TYPE_CHECKING:
    from sweeps.forecast import StudyPlan


class Study:
    """A study that has been checked against its workload and can be run.

    Make one with `from_file`, `from_dict` or `from_run`.

    Attributes:
        definition: The validated study file: `definition.metric`, `definition.ablation` and so on.
        workload: What is trained.

    Example:
        >>> study = sweeps.Study.from_file("studies/quickstart.yaml", assignments=["run_cap=20"])
        >>> study.name
        'quickstart'
    """

    def __init__(self, definition: definitions.Study, workload: Workload) -> None:
        self.definition = definition
        self.workload = workload

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        assignments: Sequence[str] = (),
        search: Sequence[str] = (),
        toggles: Sequence[str] = (),
        budget: str | None = None,
    ) -> Study:
        """Read a study file and check it.

        Args:
            path: The YAML file.
            assignments: Changes such as "run_cap=20" or "optimizer.lr=0.1", as `--set` takes them.
            search: Further searched settings such as "optimizer.lr=log:1e-4..1e-1", as `--search` takes them.
            toggles: Parts of the workload that are searched on and off.
            budget: A limit of parameters such as "5M".

        Raises:
            StudyError: The file has mistakes; its text lists them all, with lines.
            BadWorkload: The workload cannot be loaded.
        """
        return cls(*load_study(Path(path).expanduser(), Edits(assignments, search, toggles, budget)))

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Study:
        """Check a study that is given as the data of a study file.

        Args:
            settings: Plain data: what JSON can hold, with the keys of a study file.

        Raises:
            StudyError: The study has mistakes; its text lists them all.
            BadWorkload: The workload cannot be loaded.
            TypeError: A value is not plain data.

        Example:
            >>> Study.from_dict({"name": "lr", "question": "Which rate?", "workload": "cifar_sweep", ...})
        """
        # JSON is YAML: the data passes the same reader and its limits as a file does.
        return cls(*accept(from_text(json.dumps(settings), f"study {settings.get('name', '')!s}".strip())))

    @classmethod
    def from_run(cls, name: str, runs_dir: str | Path = "runs") -> Study:
        """Return the study called `name` as it was last run.

        Raises:
            NotFound: There is no such study in `runs_dir`.
        """
        from sweeps.storage.runs import study_document  # Optuna, which checking a file does not need

        return cls(*accept(study_document(Path(runs_dir).expanduser(), name)))

    @property
    def name(self) -> str:
        """The study's name, which is that of its folder."""
        return self.definition.name

    @property
    def question(self) -> str:
        """The question that it answers."""
        return self.definition.question

    def to_yaml(self) -> str:
        """Return the study as the text of a study file, with every default written out."""
        return definitions.dump(self.definition)

    def warnings(self) -> list[str]:
        """Return what the study as written cannot show, such as too few seeds for a test."""
        return list(warnings(self.definition))

    def forecast(
        self,
        *,
        data_dir: str | Path | None = None,
        probe: bool = True,
        workers: int | None = None,
        notify: Callable[[str], None] = lambda text: None,
    ) -> StudyPlan:
        """Forecast the study's runs, time, cost and statistical power. Nothing is kept.

        Args:
            data_dir: The data folder; by default `$SWEEP_DATA` or the platform's cache folder.
            probe: Whether to train the baseline for two epochs, to measure their time.
            workers: The most trials that run at once; by default as many as the machine holds.
            notify: Takes what is being done, such as "reading the data", for a status line.

        Raises:
            Unavailable: Data or models are missing.
            Infeasible: The baseline cannot be trained, or nothing satisfies the constraints.
        """
        from sweeps.forecast import plan
        from sweeps.prepare.environment import data_dir as data_folder

        folder = data_folder(Path(data_dir) if data_dir is not None else None)
        return plan(self.definition, self.workload, folder, probing=probe, workers=workers, notify=notify)

    def __repr__(self) -> str:
        return f"<Study {self.name!r} of {self.workload.name}: {self.question}>"
