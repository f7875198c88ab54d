"""What a stage was to do is on record before its first run, and what was changed after looking is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweeps.artifacts.layout import stage_file
from sweeps.evidence.caveats import caveats
from sweeps.evidence.declaration import Declaration, declared_now, declared_stages
from sweeps.evidence.findings import Findings
from sweeps.report.answer import whole_answer
from sweeps.report.declarations import declaration_tables, declared_provenance
from sweeps.storage.results import DECLARED, Results
from sweeps.storage.runs import open_results
from tests.sweeps.report import staged
from tests.sweeps.support import Interrupting, run_inline, toy_study

PARTS: dict[str, Any] = {"handicap": {"handicap": 4.0}, "null": {"unused": 3}}
MORE = {**PARTS, "momentum": {"momentum": 0.1}}
BASE: dict[str, Any] = {"parameters": {}, "run_cap": 0, "baseline": {"epochs": 1, "spread": 1.0}}


def ablated(folder: Path, **settings: Any) -> Results:
    """Run an ablation of the toy, or go on with it."""
    rule = {"baseline": "given", "components": PARTS, "seeds": 2, **settings}
    return run_inline(toy_study(**BASE, ablation=rule), folder).results


def told(results: Results) -> list[str]:
    """What the answer says about changes."""
    return [sentence for sentence in caveats(results) if sentence.startswith("Changed after looking")]


def declaration_of(results: Results, stage: str = "ablation") -> Declaration:
    """The declaration of a stage."""
    declaration = dict(declared_stages(results))[stage]
    assert declaration is not None
    return declaration


def test_ablation_is_declared_before_its_first_run_with_its_hash(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_inline(
            toy_study(**BASE, ablation={"baseline": "given", "components": PARTS, "seeds": 2}),
            tmp_path,
            Interrupting(0),
        )
    results = open_results(tmp_path, "toy")
    declaration = declaration_of(results)
    assert (declaration.runs_before, declaration.intact, declaration.amendments) == (0, True, ())
    assert declaration.content["components"] == PARTS
    assert declaration.content["metric"] == {"name": "val_accuracy", "goal": "maximize", "at": "last"}
    assert (declaration.content["seeds"], declaration.content["design"]) == (2, "leave_one_out")
    provenance = declared_provenance(results)["declared ablation"]
    assert provenance["sha256"] == declaration.sha256
    assert provenance["at"].endswith("+00:00")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"seeds": 3},
            "ablation, seeds 2 -> 3 on {at} after 2 of 2 pairs had been seen: the interval is that of a fixed n and "
            "does not account for the look.",
        ),
        (
            {"margin": 0.5},
            "ablation, margin none -> 0.5 on {at} after 2 of 2 pairs had been seen: equivalence is judged by a margin "
            "that was chosen with the figures known.",
        ),
        ({"components": MORE}, "ablation, component momentum added on {at} after 2 of 2 pairs had been seen."),
        (
            {"components": {"null": PARTS["null"]}},
            "ablation, component handicap removed on {at} after 2 of 2 pairs had been seen: p is adjusted over the "
            "comparisons that are left.",
        ),
        (
            {"seeds": {"min": 2, "max": 3, "precision": 0.01}},
            "ablation, seeds 2 -> 2 to 3 (precision 0.01) on {at} after 2 of 2 pairs had been seen: the interval is "
            "that of the new plan and does not account for the look.",
        ),
        ({}, None),
    ],
)
def test_change_after_looking_is_told_with_what_had_been_seen(
    tmp_path: Path, changed: dict[str, Any], said: str | None
) -> None:
    ablated(tmp_path)
    results = ablated(tmp_path, **changed)
    amendments = declaration_of(results).amendments
    assert told(results) == [f"Changed after looking: {said.format(at=one.at[:10])}" for one in amendments if said]
    assert len(amendments) == (said is not None)
    assert told(open_results(tmp_path, "toy")) == told(results)
    for amendment in amendments:
        assert set(amendment.seen.verdicts) == set(PARTS)
        assert all("Holm p" in words for words in amendment.seen.verdicts.values())


def test_seeds_grown_from_6_to_16_and_a_margin_moved_after_all_had_been_seen(tmp_path: Path) -> None:
    rule = {"components": staged.PARTS, "seeds": 6, "margin": 0.5}
    arms = [staged.arm_of("baseline"), *(staged.without(name) for name in staged.PARTS)]
    stage = staged.stage_of("ablation", [(arm, staged.draws(90.0)) for arm in arms], design="leave_one_out")
    few, more = (
        staged.findings_of(tmp_path, [stage], ablation={**rule, **changed}, confirm=None, final=None).results
        for changed in ({}, {"seeds": 16, "margin": 1.0})
    )
    first = declared_now(None, few.study, "ablation", lambda: replace(few, stages={}))
    assert declared_now(first, few.study, "ablation", lambda: few) == first
    declared = declared_now(first, more.study, "ablation", lambda: more)
    results = replace(more, stages={"ablation": replace(stage, facts={**stage.facts, DECLARED: declared})})
    at = declaration_of(results).amendments[0].at[:10]
    assert told(results) == [
        f"Changed after looking: ablation, seeds 6 -> 16 on {at} after 6 of 6 pairs had been seen: the interval is "
        f"that of a fixed n and does not account for the look.",
        f"Changed after looking: ablation, margin 0.5 -> 1 on {at} after 6 of 6 pairs had been seen: equivalence is "
        f"judged by a margin that was chosen with the figures known.",
    ]
    assert told(results) == [sentence for sentence in whole_answer(Findings.of(results)) if "after looking" in sentence]
    (table,) = declaration_tables(results)
    assert list(table.frame["after"]) == ["no run", "6 of 6 pairs", "6 of 6 pairs"]


def test_change_before_the_first_run_is_on_record_but_not_after_looking(tmp_path: Path) -> None:
    rule: dict[str, Any] = {"baseline": "given", "components": PARTS, "seeds": 2}
    with pytest.raises(KeyboardInterrupt):
        run_inline(toy_study(**BASE, ablation=rule), tmp_path, Interrupting(0))
    results = ablated(tmp_path, margin=1.0)
    (amendment,) = declaration_of(results).amendments
    assert amendment.seen.runs == 0
    assert told(results) == []
    (table,) = declaration_tables(results)
    assert list(table.frame["after"]) == ["no run", "no run"]
    assert list(table.frame["what"])[1] == "margin none -> 1"


def test_steins_own_second_stage_is_no_change(tmp_path: Path) -> None:
    results = ablated(tmp_path, seeds={"min": 2, "max": 4, "precision": 0.01})
    assert len(results.stages["ablation"].trials) > 6
    assert declaration_of(results).amendments == ()


def test_study_file_that_changed_without_a_run_is_told_too(tmp_path: Path) -> None:
    ablated(tmp_path, margin=0.5)
    file = tmp_path / "toy" / "study.yaml"
    file.write_text(file.read_text().replace("margin: 0.5", "margin: 2.0"))
    (sentence,) = told(open_results(tmp_path, "toy"))
    assert "ablation, margin 0.5 -> 2 in the study file; the stage has not run since" in sentence


def test_confirm_and_final_declare_too(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"run_cap": 3, "baseline": {"epochs": 1, "spread": 1.0}, "final": {"seeds": 1}}
    run_inline(toy_study(**settings, confirm={"top": 1, "seeds": 2}), tmp_path)
    grown: dict[str, Any] = {**settings, "final": {"seeds": 2}, "confirm": {"top": 1, "seeds": 3}}
    results = run_inline(toy_study(**grown), tmp_path, open_again=True).results
    confirm, final = told(results)
    assert "confirm, seeds 2 -> 3 on" in confirm
    assert "after 2 of 2 runs of each arm had been seen" in confirm
    assert "final, seeds 1 -> 2 on" in final
    assert "after 1 of 1 run of each arm had been seen" in final


def test_race_and_retuning_are_runs_of_the_ablation(tmp_path: Path) -> None:
    lr = {"lr": {"distribution": "log_uniform_values", "min": 1e-4, "max": 10.0}}
    rule = {"components": {"rate": {"handicap": 1.0}}, "seeds": 2, "retune": {"parameters": ["lr"], "trials": 1}}
    study = toy_study(run_cap=1, baseline={"epochs": 1}, parameters=lr, ablation=rule)
    with pytest.raises(KeyboardInterrupt):
        run_inline(study, tmp_path, Interrupting(3))  # inside the first search that tunes an arm
    results = open_results(tmp_path, "toy")
    assert any(name.startswith("retune") for name in results.stages)
    assert Findings.of(results).ablation is None
    assert DECLARED in results.stages["ablation"].facts
    assert not results.stages["ablation"].arms


def test_study_of_before_has_no_declaration_and_says_so_in_the_provenance_only(tmp_path: Path) -> None:
    results = staged.staged(tmp_path).results
    assert set(declared_provenance(results).values()) == {"not declared before its first run"}
    assert told(results) == []
    assert declaration_tables(results) == []


def test_declaration_that_was_edited_does_not_match_its_hash(tmp_path: Path) -> None:
    results = ablated(tmp_path, margin=0.5)
    stored = json.loads(json.dumps(results.stages["ablation"].facts[DECLARED]))
    assert Declaration.of("ablation", stored).intact
    stored["content"]["margin"] = 1.0
    assert not Declaration.of("ablation", stored).intact
    assert "declared" in stage_file(tmp_path / "toy", "ablation").read_text()
