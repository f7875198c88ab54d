"""Editing a study as a value: the same as writing the edited study to a file and parsing it."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sweeps.study.document import from_text, read
from sweeps.study.problems import StudyError
from sweeps.study.sections import Ablation, Budget, Confirm, Final, Retune, Seeds
from sweeps.study.study import Study, diff, dump, parse
from tests.sweeps.support import ROOT, toy_study

FILES = sorted((ROOT / "studies").glob("*.yaml"))


def through_a_file(study: Study, changes: Mapping[str, Any]) -> Study:
    """The slow way that `Study.edited` must agree with."""
    return parse(from_text(dump(study.model_copy(update=dict(changes))), "edited.yaml"))


def assert_same(edited: Study, parsed: Study) -> None:
    assert edited == parsed
    assert repr(edited) == repr(parsed)  # tells 1 from 1.0 and lists from tuples
    assert dump(edited) == dump(parsed)
    assert edited.space == parsed.space
    assert not diff(edited, parsed)
    for key, parameter in edited.parameters.items():
        assert parameter.model_fields_set == parsed.parameters[key].model_fields_set


def edits(study: Study) -> Iterator[dict[str, Any]]:
    """Edits such as a smoke run and the re-tuning of an arm make, and some of single sections."""
    yield {}
    yield {"name": "other", "question": "Another?", "seed": 7, "trial_timeout": 12.5, "checkpoint_every": 0}
    yield {"baseline": {**study.baseline, "epochs": 1, "widths": (8, (16, 32)), "nothing": None, "section": {}}}
    yield {"constraints": ["macs < 1G"]}
    yield {"final": Final(seeds=2), "evaluate": ("shifted", {"name": "other", "levels": (1, 2)})}
    if not study.space.dimensions:
        return
    free = {key: item for key, item in study.parameters.items() if item.dimension(key) is not None}
    unconditional = {key: item.model_copy(update={"when": {}}) for key, item in free.items()}
    alone = {"early_terminate": None, "confirm": None, "ablation": None, "final": None, "evaluate": ()}
    yield {**alone, "parameters": unconditional, "toggles": (), "method": "bayes", "run_cap": 3, "budget": Budget()}
    ablation = Ablation(components={"part": {"epochs": 1}, "both": ["relu", {"epochs": 2}]}, seeds=6)
    retune = Retune(parameters=tuple(free), trials=2) if free else None
    confirm = Confirm(top=1, seeds=2)
    yield {"confirm": confirm, "ablation": ablation.model_copy(update={"retune": retune, "seeds": 2})}
    yield {"confirm": confirm, "ablation": ablation.model_copy(update={"seeds": Seeds(min=2, max=9, precision=0.5)})}


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_edited_study_equals_the_one_parsed_from_its_dump(file: Path) -> None:
    study = parse(read(file))
    for changes in edits(study):
        if "constraints" not in changes:  # the slow way takes no text for a constraint
            assert_same(study.edited(changes), through_a_file(study, changes))
        edited = study.edited(changes)
        assert_same(edited, parse(from_text(dump(edited), "edited.yaml")))


def test_a_grid_without_a_run_cap_is_run_as_a_whole_again() -> None:
    study = toy_study(method="grid", run_cap=0, parameters={"momentum": {"values": [0.1, 0.2, 0.3]}})
    assert study.run_cap == 3
    fewer = {"momentum": study.parameters["momentum"].model_copy(update={"values": (0.1, 0.2)})}
    assert study.edited({"parameters": fewer, "run_cap": 0}).run_cap == 2


def test_sections_may_be_given_as_in_a_file() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        edited = toy_study().edited(
            {
                "parameters": {"net": {"width": {"values": [4, 8]}}},
                "constraints": ["parameters <= 5M"],
                "early_terminate": {"type": "median"},
                "confirm": {"top": 2, "seeds": 3},
            }
        )
    assert list(edited.parameters) == ["net.width"]
    assert [str(constraint) for constraint in edited.constraints] == ["parameters <= 5_000_000"]
    assert edited.early_terminate is not None
    assert edited.early_terminate.min_trials == 5
    assert edited.confirm == Confirm(top=2, seeds=3)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"run_cap": -1}, "toy: run_cap: must be at least 0 but got -1"),
        ({"parameters": {}}, "toy: parameters: nothing to do: give parameters or toggles"),
        ({"confirm": Confirm.model_construct(top=0, seeds=2)}, "toy: confirm.top: must be at least 1 but got 0"),
        ({"confirm": Confirm(top=7, seeds=2)}, "toy: confirm.top: must not be above run_cap = 6 but got 7"),
        ({"name": "a/b"}, "a/b: name: names the study's folder"),
        ({"metric": None}, "toy: metric: is required"),
        ({"metric": {"name": "x"}, "seed": -1}, "toy: metric.goal: is required\ntoy: seed: must be at least 0"),
    ],
)
def test_edits_that_break_rules_are_refused_with_all_of_them(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(StudyError) as caught:
        toy_study().edited(changes)
    assert str(caught.value).startswith(expected)


def test_a_section_that_studies_do_not_have_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="a study has no run_capp"):
        toy_study().edited({"run_capp": 3})


def test_an_edited_study_shares_nothing_that_can_be_changed() -> None:
    ablation = {"components": {"a": {"lr": 0.1}}, "seeds": 6}
    study = toy_study(baseline={"epochs": 4, "net": {"width": 8}}, ablation=ablation)
    before = copy.deepcopy(study)
    edited = study.edited({"seed": 1})
    edited.baseline["net"]["width"] = 16
    assert edited.ablation is not None
    assert isinstance(edited.ablation.components, dict)
    edited.ablation.components["a"]["lr"] = 0.2  # type: ignore[index]
    assert study == before
