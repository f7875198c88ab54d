"""What a study has found, as data frames, figures and models."""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.api.figures import Figures
from sweeps.api.models import Model
from sweeps.artifacts.layout import FINAL, SEARCH, TEST, VALIDATION, study_names
from sweeps.artifacts.predictions import ImagePredictions, load_predictions
from sweeps.evidence.findings import Findings
from sweeps.models.trained import NoModel
from sweeps.storage.runs import NotFound, find_trial, open_results

if TYPE_CHECKING:
    import pandas as pd

    from sweeps.evidence.images import ImageEvidence
    from sweeps.storage.results import Results
    from sweeps.trial.trial import Trial


class StudyResults:
    """The results of a study at one moment. What the study finds later is in the results of a later `load`.

    Data frames are tidy: one observation per row, one variable per column. They are computed at first use.

    Attributes:
        records: The trials, stages and provenance as they were recorded.

    Example:
        >>> results = sweeps.load("quickstart")
        >>> results.trials.groupby("status").seconds.sum()
        >>> results.ablation[["arm", "estimate", "low", "high", "p_holm", "verdict"]]
        >>> results.figures.forest()
    """

    def __init__(self, records: Results) -> None:
        self.records = records

    @property
    def name(self) -> str:
        """The name of the study's folder."""
        return self.records.name

    @property
    def question(self) -> str:
        """The question of the study."""
        return self.records.study.question

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self.records.folder

    @property
    def ended(self) -> int:
        """How many trials of all stages have ended."""
        return self.records.ended

    @cached_property
    def findings(self) -> Findings:
        """The statistics behind tables, figures and sentences: `findings.ablation.comparisons` and so on."""
        return Findings.of(self.records)

    @cached_property
    def answer(self) -> list[str]:
        """The answer to the question: a sentence for each finding, and what weakens them."""
        from sweeps.report.answer import whole_answer

        return whole_answer(self.findings)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial of every stage: settings, cost, outcome. `tidy.trials_frame` lists the columns."""
        from sweeps.report.tables.tidy import trials_frame

        return trials_frame(self.findings)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row per trial and epoch: stage, trial, arm, replicate, epoch, device_seconds and every metric."""
        from sweeps.report.tables.tidy import curves_frame

        return curves_frame(self.findings)

    @cached_property
    def decisions(self) -> pd.DataFrame:
        """One row per decision of the search, in their order. `decisions.frames.decisions_frame` lists the columns."""
        from sweeps.report.decisions.frames import decisions_frame

        return decisions_frame(self.findings)

    def explain(self) -> list[str]:
        """Return how the search decided: what started its trials, which went on, and whether predictions held."""
        from sweeps.evidence.search import history_sentences, none_recorded

        return history_sentences(self.findings.search_history) or [none_recorded(self.records.settled_study)]

    @cached_property
    def ablation(self) -> pd.DataFrame:
        """One row per arm or effect: estimate, 95 % interval, p, Holm-adjusted p, verdict. Empty before the stage."""
        from sweeps.report.tables.tidy import ablation_frame

        return ablation_frame(self.findings)

    @cached_property
    def images(self) -> ImageEvidence:
        """The evidence from predictions of images: classes, images that flip, agreement, calibration, ensembles."""
        return self.findings.images

    def predictions(self, run: str, set_name: str = "") -> ImagePredictions:
        """Return what a run predicted for each image of a labelled set.

        Args:
            run: "ablation/3", "final/0": a run of confirm, ablation or final.
            set_name: The name of the set; by default "test" for a run of final and "validation" for any other.

        Raises:
            NotFound: There is no such trial, or it has kept no predictions for the set.
            BadPredictions: The file is damaged.
        """
        stage, _, number = run.rpartition("/")
        trial = find_trial(self.records, int(number) if number.isdecimal() else -1, stage or SEARCH)
        name = set_name or (TEST if stage == FINAL else VALIDATION)
        try:
            return load_predictions(self.records.run_folder(trial), name)
        except FileNotFoundError:
            raise NotFound(f"{run} of {self.name} has kept no predictions for {name}") from None

    @property
    def best(self) -> Model:
        """The model that stands for the study: the final one, else the incumbent or the best trial.

        `best.recipe` is its whole recipe.

        Raises:
            NoModel: No run has completed.
            Unavailable: Its checkpoint is missing or damaged.
        """
        return self.model()

    @property
    def best_trial(self) -> Trial:
        """The best completed trial of the search: `best_trial.value`, `best_trial.parameters`.

        Its value is the maximum of single runs and so optimistic; `best` and `answer` have what the later stages found.

        Raises:
            NoModel: No trial of the search has completed.
        """
        if not self.findings.ranked:
            raise NoModel(f"{self.name}: no trial of the search has completed")
        return self.findings.ranked[0]

    @cached_property
    def figures(self) -> Figures:
        """The figures, as plotly objects."""
        return Figures(self.findings)

    def model(self, run: str = "", *, ensemble: bool = False, data_dir: str | Path | None = None) -> Model:
        """Return a trained model.

        Args:
            run: "7" for trial 7 of the search, "final/0" for a run of another stage; by default as `best`.
            ensemble: Take all completed runs of the recipe.
            data_dir: The data folder; by default `$SWEEP_DATA` or the platform's cache folder.

        Raises:
            NotFound: There is no such trial.
            NoModel: The run has not completed, or an ensemble has one run only.
            Unavailable: The checkpoint is missing or damaged.
        """
        return Model.select(self.records, run, ensemble=ensemble, data_dir=data_dir)

    def report(self, reports_dir: str | Path = "reports") -> Path:
        """Write the report into its folder below `reports_dir`. Returns the path of the page."""
        from sweeps.engine.launch import write_report

        return write_report(self.records, Path(reports_dir).expanduser())

    def counts(self) -> Mapping[str, int]:
        """Return how many trials of the search are in each state. Paused trials are not among the running ones."""
        return {state: number for state, number in self.records.states().items() if number}

    def __repr__(self) -> str:
        counts = ", ".join(f"{number} {status}" for status, number in self.counts().items()) or "no trials"
        stages = "".join(f", {name}: {len(stage.trials)} runs" for name, stage in self.records.stages.items())
        return f"<StudyResults of {self.name!r}: {counts}{stages}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the question and the answer."""
        sentences = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in self.answer)
        return f"<p><b>{html.escape(self.name)}</b>: {html.escape(self.question)}</p><ul>{sentences}</ul>"


def load(name: str, runs_dir: str | Path = "runs") -> StudyResults:
    """Return what the study called `name` has found so far.

    The storage is compared with the records of the trials first, so that a damaged study is never read as a result.

    Args:
        name: The study's name; a smoke run is "NAME-smoke".
        runs_dir: The folder of all studies.

    Raises:
        NotFound: There is no such study in `runs_dir`.
        Damaged: Storage and records contradict each other.

    Example:
        >>> sweeps.load("quickstart").best.recipe["optimizer"]
    """
    return StudyResults(open_results(Path(runs_dir).expanduser(), name))


def studies(runs_dir: str | Path = "runs") -> list[str]:
    """Return the names of the studies in a runs folder."""
    return study_names(Path(runs_dir).expanduser())
