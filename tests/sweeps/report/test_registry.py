"""The figures by name: each is that of the page, or raises an error with the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sweeps.evidence.findings import Findings
from sweeps.io.errors import UserError
from sweeps.report.data import ReportData
from sweeps.report.figures import Figure
from sweeps.report.figures.panel import FigureNotApplicable
from sweeps.report.figures.registry import FIGURES, NoFigure, applicable, draw
from sweeps.storage.results import Results

from .conftest import ENVIRONMENT, search, study_of, trial_of
from .staged import confirm_stage, factorial, findings_of, staged, stepped
from .test_classes import FIRST, leave

SEARCH = ["pareto_front", "learning_curves", "history", "parallel_coordinates", "rungs", "timeline"]
DECISIONS = ["ladder", "predictions"]
ABLATION = ["forest", "path", "interactions", "paired_seeds", "mean_learning_curves"]
CLASSES = ["per_class", "confusion"]


def searched(folder: Path) -> Findings:
    return Findings.of(Results(study_of(), search(), ENVIRONMENT, folder))


def test_the_registry_lists_every_figure_once() -> None:
    assert list(FIGURES) == [
        *SEARCH[:4],
        "importance",
        *SEARCH[4:],
        *DECISIONS,
        *ABLATION,
        "labelled_sets",
        *CLASSES,
        "reliability",
    ]
    assert all(panel.key == name for name, panel in FIGURES.items())


@pytest.mark.parametrize(
    ("build", "others"),
    [
        (searched, []),
        (staged, ["forest", "paired_seeds", "mean_learning_curves", "labelled_sets"]),
        (stepped, ["forest", "path", "paired_seeds", "mean_learning_curves"]),
    ],
)
def test_each_study_has_the_figures_of_its_stages(
    build: Callable[[Path], Findings], others: list[str], tmp_path: Path
) -> None:
    findings = build(tmp_path)
    assert applicable(findings) == [*SEARCH, *others]
    for name in (*SEARCH, *others):
        assert isinstance(draw(name, findings), Figure)
        assert FIGURES[name].applies(findings)


def test_a_factorial_without_a_search_has_its_effects(tmp_path: Path) -> None:
    assert applicable(factorial(tmp_path)) == ["forest", "interactions", "mean_learning_curves"]


def test_the_classes_are_drawn_once_a_run_has_recorded_them(tmp_path: Path) -> None:
    findings = staged(tmp_path)
    leave(tmp_path, "final", 0, "test", FIRST)
    assert [name for name in CLASSES if FIGURES[name].applies(findings)] == CLASSES
    assert draw("confusion", findings).data[0]["z"][0] == [60.0, 30.0, 10.0]


def test_a_figure_by_name_is_that_of_the_page(tmp_path: Path) -> None:
    findings = staged(tmp_path)
    plot = FIGURES["forest"].plot(ReportData(findings, ()))
    assert plot is not None
    assert draw("forest", findings) == plot.figure


@pytest.mark.parametrize("name", [*ABLATION, "labelled_sets"])
def test_a_stage_that_has_not_begun_has_no_figure_and_the_error_says_so(name: str, tmp_path: Path) -> None:
    stage = {"mean_learning_curves": "ablation or confirm", "labelled_sets": "final"}.get(name, "ablation")
    with pytest.raises(FigureNotApplicable) as error:
        draw(name, searched(tmp_path))
    assert str(error.value) == f"{tmp_path.name} has no figure {name!r}: its stage {stage} has not begun"
    assert isinstance(error.value, UserError)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("path", "the design of the ablation is not path"),
        ("interactions", "the design of the ablation is not factorial"),
        ("per_class", "no run has recorded a confusion matrix"),
    ],
)
def test_a_figure_of_another_design_says_why_it_does_not_apply(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(FigureNotApplicable, match=reason):
        draw(name, staged(tmp_path))


def test_the_importance_is_computed_when_it_is_drawn(tmp_path: Path) -> None:
    rates = [0.001 * 1.2**number for number in range(24)]
    trials = tuple(
        trial_of(number, curve={1: 50 + 9 * rate}, parameters={"optimizer.lr": rate, "optimizer.name": "adamw"})
        for number, rate in enumerate(rates)
    )
    parameters = {
        "optimizer.lr": {"distribution": "log_uniform_values", "min": 0.0001, "max": 0.5},
        "optimizer.name": {"values": ["sgd", "adamw"]},
    }
    findings = Findings.of(Results(study_of(parameters=parameters), trials, ENVIRONMENT, tmp_path))
    figure = draw("importance", findings)
    assert [trace.name for trace in figure.data] == ["PED-ANOVA", "fANOVA"]


def test_a_search_with_few_trials_has_no_importance(tmp_path: Path) -> None:
    findings = Findings.of(Results(study_of(), (trial_of(0),), ENVIRONMENT, tmp_path))
    with pytest.raises(FigureNotApplicable, match="too few comparable trials"):
        draw("importance", findings)


def test_an_unknown_name_gets_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(NoFigure, match="did you mean 'forest'"):
        draw("forrest", searched(tmp_path))


def test_mean_curves_are_those_of_confirm_without_an_ablation(tmp_path: Path) -> None:
    figure = draw("mean_learning_curves", findings_of(tmp_path, [confirm_stage()]))
    assert {trace.name for trace in figure.data if trace.name} == {"trial 30", "trial 33", "trial 39"}
