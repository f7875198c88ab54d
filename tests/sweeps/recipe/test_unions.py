"""Sections with several types: the settings of each type, and the errors for settings of another type."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
from pydantic import BaseModel, ConfigDict

from sweeps.prepare.smoke import shrink
from sweeps.recipe.schema import BadRecipe, RecipeSchema
from sweeps.study.document import from_text
from sweeps.study.problems import StudyError
from sweeps.study.study import Study, schema
from sweeps.trial.trial import Status
from sweeps.validation.checks import accept
from sweeps.workload import load
from tests.sweeps.nets import LeNet5, Linear, Plain, Recipe, ResNet
from tests.sweeps.support import run_inline

SCHEMA = RecipeSchema(Recipe)
GROWN: dict[str, Any] = {"model": {"widths": [4, 8, 8], "blocks": [1, 2, 1], "activation": "identity"}, "epochs": 3}

STUDY: dict[str, Any] = {
    "name": "nets",
    "question": "Which net?",
    "workload": "tests.sweeps.nets",
    "method": "random",
    "metric": {"name": "val_accuracy", "goal": "maximize"},
}


def study(**settings: Any) -> Study:
    return accept(from_text(json.dumps({**STUDY, **settings}), "s.yaml"))[0]


def report(**settings: Any) -> str:
    with pytest.raises(StudyError) as caught:
        study(**settings)
    return str(caught.value)


def mistakes(settings: dict[str, Any], of: RecipeSchema = SCHEMA) -> list[tuple[str, str]]:
    with pytest.raises(BadRecipe) as caught:
        of.validate(settings)
    return caught.value.mistakes


@pytest.mark.parametrize(
    "overrides",
    [
        {"model.name": "lenet5", "model.activation": "sigmoid"},
        {"model.activation": "sigmoid", "model.name": "lenet5"},
        {"model": {"activation": "sigmoid", "name": "lenet5"}},
        {"model": {"name": "lenet5"}, "model.activation": "sigmoid"},
    ],
)
def test_other_type_starts_from_its_own_defaults_with_its_overrides(overrides: dict[str, Any]) -> None:
    recipe = SCHEMA.validate(SCHEMA.merge(GROWN, overrides))
    assert recipe.model == LeNet5(activation="sigmoid")
    assert recipe.epochs == 3
    assert GROWN["model"]["widths"] == [4, 8, 8]


@pytest.mark.parametrize("settings", [GROWN, SCHEMA.dump(SCHEMA.validate(GROWN))])
def test_same_type_keeps_its_settings(settings: dict[str, Any]) -> None:
    recipe = SCHEMA.validate(SCHEMA.merge(settings, {"model": {"name": "resnet", "activation": "relu"}}))
    assert recipe.model == ResNet(widths=(4, 8, 8), blocks=(1, 2, 1))


def test_name_that_tells_no_types_apart_changes_nothing_else() -> None:
    merged = SCHEMA.merge({"optimizer": {"lr": 0.5}}, {"optimizer.name": "adamw"})
    assert merged == {"optimizer": {"name": "adamw", "lr": 0.5}}


def test_section_inside_a_type_is_merged_and_leaves_with_it() -> None:
    settings = {"model": {"name": "lenet5", "head": {"hidden": [3], "dropout": 0.5}}}
    assert SCHEMA.merge(settings, {"model": {"head": {"dropout": 0.1}}})["model"]["head"]["hidden"] == [3]
    there = SCHEMA.merge(settings, {"model.name": "resnet", "model.head.dropout": 0.1})
    assert there == {"model": {"name": "resnet", "head": {"dropout": 0.1}}}
    assert SCHEMA.validate(SCHEMA.merge(there, {"model.name": "lenet5"})).model == LeNet5()


def test_optional_section_is_created_by_a_setting_of_it_and_removed_by_null() -> None:
    there = SCHEMA.merge({"augment": {"rotation": None, "flip": False}}, {"augment.rotation.degrees": 30.0})
    assert there == {"augment": {"rotation": {"degrees": 30.0}, "flip": False}}
    assert SCHEMA.validate(there).augment.rotation.fill == 0.0
    assert SCHEMA.merge(there, {"augment.rotation": None}) == {"augment": {"rotation": None, "flip": False}}
    assert SCHEMA.merge(there, {"augment.rotation": {"fill": 1.0}})["augment"]["rotation"] == {
        "degrees": 30.0,
        "fill": 1.0,
    }


@pytest.mark.parametrize("of", [SCHEMA, RecipeSchema(Plain)])
def test_section_that_does_not_name_its_type_is_of_its_defaults(of: RecipeSchema) -> None:
    assert of.validate({"model": {"widths": [4, 4]}}).model == ResNet(widths=(4, 4))
    assert of.validate({"model": {"name": "linear"}}).model == Linear()


class Flips(BaseModel):
    """A recipe with settings of several types."""

    model_config = ConfigDict(strict=True)
    flip: bool | Literal["alternating"] = False
    sizes: tuple[int, ...] | Literal["auto"] = "auto"
    ema: bool = False


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"flip": "no"},
            "flip: input should be true or false or 'alternating' but got 'no'; "
            "this is text: write false, without quotes",
        ),
        ({"ema": "Yes"}, "ema: input should be true or false but got 'Yes'; this is text: write true, without quotes"),
        ({"flip": "maybe"}, "flip: input should be true or false or 'alternating' but got 'maybe'"),
        ({"ema": 1}, "ema: input should be true or false but got 1"),
        ({"flip": 1}, "flip: input should be true or false or 'alternating' but got 1"),
    ],
)
def test_setting_of_several_types_has_one_rule_and_a_word_for_a_truth_value_the_one_to_write(
    settings: dict[str, Any], expected: str
) -> None:
    assert [f"{key}: {rule}" for key, rule in mistakes(settings, RecipeSchema(Flips))] == [expected]


@pytest.mark.parametrize("of", [SCHEMA, RecipeSchema(Plain)])
@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"widths": "wide"}, ("model.widths", "input should be a list but got 'wide'")),
        ({"name": "lenet5", "kernel": 0}, ("model.kernel", "input should be greater than or equal to 1 but got 0")),
        (
            {"name": "resnet", "head": {"dropout": 2.0}},
            ("model.head.dropout", "input should be less than 1 but got 2.0"),
        ),
        ({"widths": [4]}, ("model", "widths has 1 stages but blocks has 2")),
        (
            {"name": "lenet5", "widths": [4]},
            ("model.widths", "is a setting of model.name = resnet, but model.name is lenet5"),
        ),
        (
            {"name": "linear", "head": {"dropout": 0.1}},
            ("model.head", "is a setting of model.name = resnet or lenet5, but model.name is linear"),
        ),
        ({"name": "lenet5", "width": 4}, ("model.width", "unknown key")),
        (
            {"name": "lenet"},
            ("model.name", "unknown model 'lenet'; did you mean 'lenet5'? valid: resnet, lenet5, linear"),
        ),
        ({"name": 5}, ("model.name", "must be one of resnet, lenet5, linear but got 5")),
    ],
)
def test_mistake_has_the_key_of_the_study_file(
    of: RecipeSchema, model: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert mistakes({"model": model}, of) == [expected]


def test_other_mistakes_are_reported_beside_an_unknown_type() -> None:
    assert [key for key, _ in mistakes({"model": {"name": "x", "widths": []}, "epochs": 0})] == ["model.name", "epochs"]


def test_keys_are_those_of_all_types_and_the_tag_is_known() -> None:
    assert {"model.widths", "model.kernel", "model.head.hidden", "augment.rotation.degrees"} <= set(SCHEMA.keys)
    assert SCHEMA.tags == RecipeSchema(Plain).tags == {"model.name"}
    assert SCHEMA.takes({}, "model.widths")
    assert SCHEMA.takes({"augment": {"rotation": None}}, "augment.rotation.degrees")
    assert not SCHEMA.takes({"model": {"name": "lenet5"}}, "model.widths")
    assert not SCHEMA.takes({"model": {"name": "lenet5"}}, "model.wid")


def test_unknown_setting_is_explained_with_the_keys_of_all_types() -> None:
    text = report(baseline={"model": {"name": "lenet5", "kernal": 3}})
    assert "baseline.model.kernal: unknown setting 'model.kernal'; did you mean 'model.kernel'? valid: " in text
    assert "model.widths" in text


def test_baseline_of_another_type_is_held_against_that_type() -> None:
    rule = "baseline.model.widths: is a setting of model.name = resnet, but model.name is lenet5"
    assert rule in report(baseline={"model": {"name": "lenet5", "widths": [4]}})
    assert "s.yaml:1: baseline.model.name: unknown model 'resnets'; did you mean 'resnet'?" in report(
        baseline={"model": {"name": "resnets"}}
    )


NAMES = {"model.name": {"values": ["resnet", "lenet5", "linear"]}}
WIDTHS = {"values": [[4, 4], [8, 8]]}


@pytest.mark.parametrize("model", [{}, {"name": "lenet5"}, {"widths": [9, 9], "blocks": [2, 2]}])
def test_settings_of_a_type_are_searched_where_it_is_chosen(model: dict[str, Any], tmp_path: Path) -> None:
    parameters = {
        **NAMES,
        "model.widths": {**WIDTHS, "when": {"model.name": "resnet"}},
        "model.kernel": {"values": [3, 5], "when": {"model.name": "lenet5"}},
    }
    searching = study(baseline={"model": model}, parameters=parameters, method="grid")
    results = run_inline(searching, tmp_path).results
    assert [trial.status for trial in results.trials] == [Status.COMPLETE] * 5
    assert results.ranked()[0].parameters["model.name"] == "resnet"


def test_baseline_of_a_searched_type_is_the_first_trial(tmp_path: Path) -> None:
    parameters = {**NAMES, "model.kernel": {"values": [3, 5], "when": {"model.name": "lenet5"}}}
    searching = study(baseline={"model": {"name": "lenet5"}}, parameters=parameters, run_cap=2)
    results = run_inline(searching, tmp_path).results
    assert results.trials[0].parameters == {"model.name": "lenet5", "model.kernel": 5}


def test_setting_searched_where_its_type_is_not_chosen_is_refused() -> None:
    text = report(parameters={**NAMES, "model.widths": WIDTHS}, run_cap=2)
    assert "model.widths: is a setting of model.name = resnet, but model.name is lenet5" in text
    assert "exclude it with when" in text
    assert "is a setting of model.name = resnet" in report(
        baseline={"model": {"name": "linear"}}, parameters={"model.widths": WIDTHS}, run_cap=2
    )


def test_values_are_judged_under_the_type_that_they_belong_to() -> None:
    kernel = {"values": [3, 0], "when": {"model.name": "lenet5"}}
    assert "parameters.model.kernel.values.1: must be greater than or equal to 1 but got 0" in report(
        parameters={**NAMES, "model.kernel": kernel}, run_cap=2
    )


COMPONENTS = {
    "lenet": {"model.name": "lenet5"},
    "sigmoid lenet": {"model.activation": "sigmoid", "model.name": "lenet5"},
    "mapped": {"model": {"name": "linear"}},
    "of two": [{"model.name": "lenet5"}, {"model.kernel": 3}],
    "deep": {"model.widths": [4], "model.blocks": [2]},
}


def test_components_of_other_types_are_trained(tmp_path: Path) -> None:
    ablation = {"baseline": "given", "components": {**COMPONENTS, "rotation": "rotation"}, "seeds": 2}
    baseline = {**GROWN, "augment": {"rotation": {"degrees": 10.0}}}
    result = run_inline(study(baseline=baseline, ablation=ablation), tmp_path)
    stage = result.results.stages["ablation"]
    assert result.complete
    assert {arm.name: arm.reason for arm in stage.arms if arm.reason} == {}
    assert stage.arms[2].settings["model"]["activation"] == "sigmoid"
    assert stage.arms[2].settings["model"]["head"] == {"hidden": [84], "dropout": 0.0}


@pytest.mark.parametrize(
    ("components", "expected"),
    [
        ({"lenet": {"model.name": "lenet5", "model.widths": [3]}}, "is a setting of model.name = resnet, but"),
        ({"lenet": {"model.name": "lenet"}}, "components.lenet.model.name: unknown model 'lenet'; did you mean"),
        (
            {"lenet": {"model.activation": "sigmoid"}},
            "components.lenet.model.activation: must be 'relu' or 'identity' but got",
        ),
        ({"lenet": [{"model.kernel": 3}]}, "components.lenet.0.model.kernel: is a setting of model.name = lenet5, but"),
    ],
)
def test_component_that_its_type_does_not_take_is_refused(components: dict[str, Any], expected: str) -> None:
    assert expected in report(ablation={"baseline": "given", "components": components, "seeds": 2})


def test_component_of_a_type_that_the_search_may_choose_is_not_applicable_to_another(tmp_path: Path) -> None:
    ablation = {"components": {"kernel": {"model.kernel": 3}, "linear": {"model.name": "linear"}}, "seeds": 2}
    result = run_inline(study(parameters=NAMES, method="grid", ablation=ablation), tmp_path)
    kernel = result.results.stages["ablation"].arm("kernel")
    assert kernel is not None
    assert "model.kernel: is a setting of model.name = lenet5, but model.name is resnet" in kernel.reason


def test_retuning_leaves_out_settings_that_an_arm_does_not_have(tmp_path: Path) -> None:
    parameters = {"model.head.dropout": {"values": [0.0, 0.5]}, "optimizer.lr": {"values": [0.1, 0.2]}}
    retune = {"parameters": list(parameters), "trials": 2}
    ablation = {"baseline": "given", "components": {"linear": {"model.name": "linear"}}, "seeds": 2, "retune": retune}
    result = run_inline(study(parameters=parameters, run_cap=2, ablation=ablation), tmp_path)
    stage = result.results.stages["ablation"]
    assert result.complete, result.failure
    assert set(stage.facts["tuned"]["linear (re-tuned)"]) == {"optimizer.lr"}


def test_smoke_of_a_study_that_searches_types_stays_a_study() -> None:
    parameters = {**NAMES, "model.kernel": {"values": [3, 5], "when": {"model.name": "lenet5"}}}
    smaller = shrink(study(parameters=parameters, run_cap=9), load(STUDY["workload"]))
    assert set(smaller.parameters) == set(parameters)


@pytest.mark.parametrize(
    ("model", "valid"),
    [
        ({"activation": "relu"}, True),
        ({"name": "lenet5", "activation": "relu"}, True),
        ({"name": "linear"}, True),
        ({"kernel": 3}, False),
        ({"name": "lenet5", "widths": [1, 2]}, False),
    ],
)
def test_json_schema_agrees_with_the_recipe(model: dict[str, Any], valid: bool) -> None:
    whole = schema(SCHEMA)
    assert jsonschema.Draft202012Validator(whole).is_valid({**STUDY, "baseline": {"model": model}}) == valid
