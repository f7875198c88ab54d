"""The figures of a study as plotly objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sweeps.report.data import ReportData
from sweeps.report.figures.registry import FIGURES, panel_of

if TYPE_CHECKING:
    from sweeps.evidence.findings import Findings
    from sweeps.report.figures.base import Figure


class Figures:
    """The figures of a study, drawn when they are called.

    Each method returns a `plotly.graph_objects.Figure`, which a notebook shows by itself; elsewhere write it with
    `figure.write_html(...)`. A figure for which the study has no data raises `FigureNotApplicable`, with the reason.

    Example:
        >>> results = sweeps.load("quickstart")
        >>> results.figures.available
        ['learning_curves', 'history', 'forest', 'paired_seeds', ...]
        >>> results.figures.forest()
    """

    def __init__(self, findings: Findings) -> None:
        self._data = ReportData(findings)  # what several figures need is computed once

    @property
    def available(self) -> list[str]:
        """The names for which the study has data, as `draw` takes them."""
        return [name for name, panel in FIGURES.items() if panel.has_data(self._data)]

    def draw(self, name: str) -> Figure:
        """Return the figure called `name`.

        Raises:
            NoFigure: There is no figure of this name.
            FigureNotApplicable: The study has no data for it.
        """
        return panel_of(name).figure_of(self._data)

    def pareto_front(self) -> Figure:
        """Return the metric against the parameters, with the budget and the Pareto front."""
        return self.draw("pareto_front")

    def learning_curves(self) -> Figure:
        """Return the learning curves of the search; those of pruned trials are grey."""
        return self.draw("learning_curves")

    def history(self) -> Figure:
        """Return the results in the order of the trials, with the best so far."""
        return self.draw("history")

    def parallel_coordinates(self) -> Figure:
        """Return the settings of the completed trials as parallel coordinates."""
        return self.draw("parallel_coordinates")

    def importance(self) -> Figure:
        """Return the importance of the searched settings with its uncertainty. Takes seconds."""
        return self.draw("importance")

    def rungs(self) -> Figure:
        """Return how many trials were left at each epoch."""
        return self.draw("rungs")

    def timeline(self) -> Figure:
        """Return when each trial ran."""
        return self.draw("timeline")

    def ladder(self) -> Figure:
        """Return the epochs that each trial trained, decision by decision: where it paused and when it went on."""
        return self.draw("ladder")

    def predictions(self) -> Figure:
        """Return the ends that the surrogate predicted against those that were reached."""
        return self.draw("predictions")

    def mean_learning_curves(self) -> Figure:
        """Return the learning curves of the arms, averaged over their seeds."""
        return self.draw("mean_learning_curves")

    def forest(self) -> Figure:
        """Return the differences or effects of the ablation with their intervals."""
        return self.draw("forest")

    def path(self) -> Figure:
        """Return the path from the baseline to the incumbent."""
        return self.draw("path")

    def interactions(self) -> Figure:
        """Return the main effects and interactions of a factorial."""
        return self.draw("interactions")

    def paired_seeds(self) -> Figure:
        """Return the pairs of runs behind the differences."""
        return self.draw("paired_seeds")

    def labelled_sets(self) -> Figure:
        """Return the final models on validation data, the test set, and the sets of `evaluate`."""
        return self.draw("labelled_sets")

    def per_class(self) -> Figure:
        """Return the accuracy of each class."""
        return self.draw("per_class")

    def confusion(self) -> Figure:
        """Return the confusion matrix."""
        return self.draw("confusion")

    def reliability(self) -> Figure:
        """Return the accuracy of predictions against their confidence."""
        return self.draw("reliability")
