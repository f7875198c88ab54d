"""The winner's whole recipe, and what a study does not show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sweeps.evidence.findings import Findings
from sweeps.report import save_report
from sweeps.report.conclusion.limits import limits
from sweeps.report.conclusion.winner import winner_of
from sweeps.storage.results import Results
from sweeps.study.document import from_text
from sweeps.trial.arm import BASELINE
from sweeps.trial.trial import Status

from .conftest import search, trial_of
from .reading import read_page
from .staged import PARTS, SEEDS, arm_of, draws, findings_of, stage_of, staged, without

Make = Callable[..., Results]
EDITS = {
    "optimizer.lr": 0.03170012345678901,
    "optimizer.name": "sgd",
    "optimizer.momentum": 0.95,
    "model.blocks": [2, 1],
    "model.width": 64,
    "model.norm": None,
    "teacher": "",
    "toggle.relu": False,
    "toggle.dropout": True,
}


def _confirmed(folder: Path) -> Findings:
    arms = [replace(arm_of(f"trial {number}"), edits=EDITS) for number in (3, 4)]
    rows = [(arm, draws(95.0 - place)) for place, arm in enumerate(arms)]
    plain = {"ablation": None, "final": None, "confirm": {"top": 2, "seeds": SEEDS}}
    return findings_of(folder, [stage_of("confirm", rows)], search(), **plain)


def test_the_winner_is_the_incumbent_with_every_setting_that_differs(tmp_path: Path) -> None:
    winner = winner_of(_confirmed(tmp_path))
    assert winner is not None
    assert winner.called == "trial 3, the incumbent"
    assert winner.changes.grid.rows == (
        ("optimizer.lr", "0.05", "0.03170012345678901"),
        ("optimizer.momentum", "0.9", "0.95"),
        ("model.blocks", "[1, 1]", "[2, 1]"),
        ("model.width", "the default", "64"),
        ("model.norm", "the default", "null"),
        ("teacher", "the default", '""'),
        ("relu", "with", "without"),
    )


def test_the_winners_recipe_is_a_baseline_that_a_study_file_takes(tmp_path: Path) -> None:
    winner = winner_of(_confirmed(tmp_path))
    assert winner is not None
    document = from_text(f"name: again\n{winner.recipe}", "again.yaml")
    assert document.data["baseline"] == {"epochs": 9, "arm": "trial 3"}


def test_the_best_trial_wins_before_confirm_and_its_recipe_is_read_from_its_folder(make_results: Make) -> None:
    results = make_results(trial_of(0), trial_of(1, curve={1: 90.0}))
    folder = results.trial_folder(1)
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text("optimizer: {lr: 0.01, name: adamw}\nepochs: 9\n", encoding="utf-8")
    winner = winner_of(Findings.of(results))
    assert winner is not None
    assert winner.called == "trial 1, the best single run"
    assert ("optimizer.name", "sgd", "adamw") in winner.changes.grid.rows
    assert winner.recipe == "baseline:\n  optimizer: {lr: 0.01, name: adamw}\n  epochs: 9\n"
    (folder / "recipe.yaml").write_text("[", encoding="utf-8")
    damaged = winner_of(Findings.of(results))
    assert damaged is not None
    assert not damaged.recipe


def test_no_winner_is_named_without_a_completed_trial_or_a_search(make_results: Make, tmp_path: Path) -> None:
    assert winner_of(Findings.of(make_results(trial_of(0, Status.PRUNED)))) is None
    ablation = {"baseline": "given", "components": PARTS, "seeds": SEEDS}
    alone = make_results(trial_of(0), parameters={}, run_cap=None, early_terminate=None, ablation=ablation)
    assert winner_of(Findings.of(alone)) is None


def test_the_page_and_the_summary_have_recipe_and_limits_and_a_button_that_copies(tmp_path: Path) -> None:
    findings = _confirmed(tmp_path)
    save_report(findings.results, (), tmp_path / "report")
    page = read_page(tmp_path / "report" / "index.html")
    section = page.find("section", id="winner")[0]
    assert len(section.rows()) == 7
    assert section.find("code", id="recipe")[0].text.startswith("baseline:")
    assert section.find("button", **{"class": "copy"})[0].attributes["data-copies"] == "recipe"
    shown = [line.text for line in page.find("section", id="limits")[0].find("li")]
    assert shown == limits(findings)
    summary = (tmp_path / "report" / "README.md").read_text(encoding="utf-8")
    assert "| optimizer.lr | 0.05 | 0.03170012345678901 |" in summary
    assert "## What this does not show" in summary


def _named(findings: Findings) -> list[str]:
    return [sentence.partition(":")[0] for sentence in limits(findings)]


def test_limits_are_those_of_the_study(make_results: Make, tmp_path: Path) -> None:
    alone = Findings.of(make_results(trial_of(0), trial_of(1)))
    assert limits(alone)[0] == "Other data: every run is on one data set (digits)."
    assert _named(alone)[1:] == [
        "Unseen images",
        "Settings that were not tried",
        "Another search",
        "The order of the trials",
        "Other lengths of training",
    ]
    every = _named(staged(tmp_path / "staged"))
    assert "Rare failures" in every
    assert "Parts together" in every
    assert not {"Unseen images", "The order of the trials", "Tuned variants"} & set(every)
    assert not limits(Findings.of(make_results()))


@pytest.mark.parametrize(("parts", "told"), [(["relu"], False), (["relu", "dropout"], True)])
def test_parts_together_are_a_limit_of_several_parts_only(parts: list[str], told: bool, tmp_path: Path) -> None:
    rows = [(arm_of(BASELINE), draws(95.0)), *((without(name), draws(90.0)) for name in parts)]
    plain = {"confirm": None, "final": None, "ablation": {"components": PARTS, "seeds": SEEDS}}
    findings = findings_of(tmp_path, [stage_of("ablation", rows, design="leave_one_out")], **plain)
    assert ("Parts together" in _named(findings)) is told
    assert "Tuned variants" in _named(findings)
