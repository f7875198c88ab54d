"""`sweep explain`: the decisions of a search from the records alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from sweeps.api.results import load
from sweeps.cli.app import app
from sweeps.cli.explanation import decisions_table
from sweeps.evidence.search import steps_of
from sweeps.formatting import MetricFormat
from sweeps.storage.runs import NotFound
from sweeps.trial.trial import Status
from tests.sweeps.evidence.search.recorded import ladder
from tests.sweeps.support import PROMOTING, run_inline, toy_study

from .paused import NEW, record

CANDIDATES = [
    {"trial": None, "parameters": {"lr": 0.5}, "predicted": [40, 60, 70], "cost": 2.0, "score": 0.9},
    {"trial": 1, "parameters": {}, "predicted": None, "cost": 1.0, "score": 0.25},
]
PROMOTED = {
    "order": 4,
    "from": 2,
    "until": 4,
    "why": "promoted",
    "rung": {"reached": 3, "go_on": 1, "place": 1},
    "predicted": [60.0, 70.5, 80.0],
    "cost": 2.0,
    "load_s": 0.25,
    "candidates": CANDIDATES[::-1],
}


def explain(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["explain", "toy", *words, "--runs-dir", str(folder)])


def printed(folder: Path, *words: str) -> str:
    done = explain(folder, *words)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_real_search_is_explained_from_its_records(tmp_path: Path) -> None:
    study = toy_study(method="bayes", run_cap=9, early_terminate=PROMOTING)
    results = run_inline(study, tmp_path).results
    content = json.loads(printed(tmp_path, "--json"))
    decisions = content["decisions"]
    assert [decision["order"] for decision in decisions] == [*range(len(decisions))]
    assert sum(content["started"].values()) == len({decision["trial"] for decision in decisions}) == 9
    assert content["started"]["baseline"] == 1
    promoted = [decision for decision in decisions if decision["why"] == "promoted"]
    assert promoted
    assert all(each["rung"]["place"] <= each["rung"]["go_on"] < each["rung"]["reached"] for each in promoted)
    assert all(each["predicted"]["low"] <= each["predicted"]["high"] for each in promoted), "by its curve so far"
    assert content["calibration"]["last"]["n"] > 0
    assert [rung["epoch"] for rung in content["rungs"]] == [1, 2]
    assert all(rung["paused"] == rung["promoted"] + rung["sent"] + rung["ended"] for rung in content["rungs"])
    assert content["completed"] == results.counts()[Status.COMPLETE] >= 1
    proposed = next(each for each in decisions if each["by"] == "model")
    assert "chosen" in printed(tmp_path, "--decision", str(proposed["order"]))
    assert load("toy", tmp_path).figures.ladder()


def test_every_decision_is_a_row_and_the_sum_a_sentence(folder: Path) -> None:
    lines = printed(folder).splitlines()
    rows = [line.split() for line in lines if line.strip()[:1].isdigit()]
    assert [row[:2] for row in rows[:4]] == [["0", "0"], ["1", "1"], ["2", "2"], ["3", "3"]]
    assert "paused" in rows[0]
    assert "unfinished" in rows[3]
    assert lines[-2:] == [
        "4 trials started: 4 drawn at random.",
        "3 paused at epoch 2, 0 promoted, 3 waiting. Trained to the end: 0.",
    ]


def test_one_decision_is_shown_with_its_candidates(folder: Path) -> None:
    record(folder, {0: [NEW, PROMOTED]}, replace=True)
    shown = printed(folder, "--decision", "4")
    assert "Decision 4: trial 0, epochs 2–4." in shown
    assert "Why: 1st of 3 at epoch 2, 1 goes on." in shown
    assert "Predicted end [80 % interval]: 70.50 % [60.00, 80.00]." in shown
    assert "Cost: 2 epochs of the baseline; loading a paused state took 0.2 s." in shown
    candidates = [line.split() for line in shown.splitlines() if line.strip().startswith(("new", "trial 1"))]
    assert candidates[1] == ["new", "lr", "0.5", "60.00", "%", "[40.00,", "70.00]", "2", "0.9"]


def test_the_decisions_on_one_trial_alone(folder: Path) -> None:
    record(folder, {0: [NEW, PROMOTED]}, replace=True)
    plain = json.loads(printed(folder, "--trial", "0", "--json"))
    assert [decision["order"] for decision in plain["decisions"]] == [0, 4]
    assert plain["decisions"][1]["candidates"][1]["parameters"] == {"lr": 0.5}
    assert (plain["decisions"][1]["state"], plain["decisions"][1]["from"]) == ("running", 2)
    assert plain["started"] == {"random": 4}
    assert plain["calibration"]["last"]["n"] == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--decision", "9"), "the search of toy has no decision 9; there are: 0 to 3"),
        (("--trial", "9"), "toy has no trial 9; there are: 0 to 3"),
    ],
)
def test_what_is_not_there_gets_one_error(words: tuple[str, ...], message: str, folder: Path) -> None:
    done = explain(folder, *words)
    assert isinstance(done.exception, NotFound)
    assert str(done.exception) == message


def test_a_search_without_decisions_gets_one_sentence(folder: Path) -> None:
    record(folder, {key: [] for key in range(4)}, replace=True)
    sentence = (
        "No decision of this search is on record: with method: random and early_terminate: {type: one_epoch}, "
        "no trial is promoted and none is proposed by the surrogate."
    )
    assert printed(folder) == f"{sentence}\n"
    assert json.loads(printed(folder, "--json"))["decisions"] == []
    assert load("toy", folder).explain() == [sentence]


@pytest.mark.parametrize("damaged", ["text", [None], [3, {}], [{"until": 2, "order": "x", "candidates": 5}], {"a": 1}])
def test_damaged_decisions_are_no_traceback(damaged: Any, folder: Path) -> None:
    record(folder, {0: damaged}, replace=True)
    assert "3 trials started" in printed(folder)
    assert printed(folder, "--trial", "0")


@pytest.mark.parametrize("width", [40, 70, 120])
def test_no_figure_is_cut_on_a_narrow_terminal(width: int) -> None:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(decisions_table(steps_of(ladder()), MetricFormat("accuracy", "%", "maximize")))
    shown = capture.get()
    assert all(len(line) <= width for line in shown.splitlines())
    assert "[70.00," in shown
    assert "80.00 %" in shown


def test_the_api_has_the_decisions_as_a_frame_and_in_sentences(folder: Path) -> None:
    results = load("toy", folder)
    assert list(results.decisions["trial"]) == [0, 1, 2, 3]
    assert results.explain()[0] == "4 trials started: 4 drawn at random."
    assert results.figures.ladder()
