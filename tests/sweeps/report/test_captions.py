"""Captions and legends of the figures of the search speak of what is there, and of nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from sweeps.report.figures.base import two_lines
from sweeps.storage.results import Results
from sweeps.trial.trial import Status, Trial

from .conftest import trial_of
from .test_search_data import plot_of

Make = Callable[..., Results]

DIVERGED = trial_of(1, Status.DIVERGED, curve={1: 50.0, 2: math.nan}, reason="val_loss was nan")


@pytest.mark.parametrize(
    ("trials", "said", "unsaid"),
    [
        ((trial_of(0),), ("Filled:", "Line:"), ("Open:",)),
        ((DIVERGED,), ("Open:",), ("Filled:", "Line:")),
        ((trial_of(0), DIVERGED), ("Filled:", "Open:", "Line:"), ()),
    ],
)
def test_caption_of_the_history_names_the_marks_that_it_has(
    make_results: Make, trials: tuple[Trial, ...], said: tuple[str, ...], unsaid: tuple[str, ...]
) -> None:
    caption = plot_of("history", make_results(*trials)).caption
    assert all(words in caption for words in said)
    assert not any(words in caption for words in unsaid)


@pytest.mark.parametrize("pruned", [True, False])
def test_caption_of_the_front_explains_pruned_trials_only_where_there_are_some(
    make_results: Make, pruned: bool
) -> None:
    trials = [trial_of(0), *([trial_of(1, Status.PRUNED)] if pruned else [])]
    caption = plot_of("pareto_front", make_results(*trials)).caption
    assert ("Pruned trials are left out" in caption) is pruned


@pytest.mark.parametrize("name", ["learning_curves", "history", "timeline"])
def test_a_single_group_is_named_in_a_legend(make_results: Make, name: str) -> None:
    figure = plot_of(name, make_results(DIVERGED)).figure
    assert figure.layout.showlegend is True
    assert [trace.name for trace in figure.data] == ["diverged"]


def test_a_dotted_key_breaks_behind_its_dot() -> None:
    assert two_lines("optimizer.weight_decay") == "optimizer.<br>weight_decay"
    assert two_lines("optimizer.lr") == "optimizer.lr"
    assert two_lines("without batch_norm") == "without<br>batch_norm"
