from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from cifar_sweep.recipe import Recipe
from sweeps.recipe.schema import BadRecipe, RecipeSchema

SCHEMA = RecipeSchema(Recipe)


def test_importing_recipe_and_workload_loads_no_torch():
    code = (
        "import sys; from cifar_sweep import workload; workload.toggles(), workload.references(workload.Recipe()), "
        "workload.chance(workload.Recipe()), workload.scale(workload.Recipe(), 0.5), "
        "workload.evaluations(workload.Recipe(), 'corruptions'); "
        "print([name for name in ('torch', 'torchvision', 'sklearn', 'ray') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("settings", "key", "rule"),
    [
        ({"epochs": 37.5}, "epochs", "valid integer but got 37.5"),
        ({"epochs": "3"}, "epochs", "valid integer but got '3'"),
        ({"epochs": True}, "epochs", "valid integer"),
        ({"epochs": 0}, "epochs", "greater than or equal to 1 but got 0"),
        ({"batch_size": 0}, "batch_size", "1 or more"),
        ({"epoch": 3}, "epoch", "unknown key"),
        ({"optimizer": {"lr": 0}}, "optimizer.lr", "greater than 0"),
        ({"optimizer": {"lr": "0.1"}}, "optimizer.lr", "valid number"),
        ({"optimizer": {"lr": float("inf")}}, "optimizer.lr", "finite number"),
        ({"optimizer": {"momentum": 1}}, "optimizer.momentum", "less than 1"),
        ({"optimizer": {"betas": [0.9, 1.0]}}, "optimizer.betas.1", "less than 1"),
        ({"optimizer": {"momentum": 0}}, "optimizer", "nesterov is true but momentum is 0"),
        ({"model": {"blocks": [1, 1.5, 1, 1]}}, "model.blocks.1", "valid integer but got 1.5"),
        ({"model": {"blocks": [1, 0, 1, 1]}}, "model.blocks.1", "greater than or equal to 1"),
        ({"model": {"blocks": []}}, "model.blocks", "at least 1 item"),
        ({"model": {"strides": [1, 5, 1, 1]}}, "model.strides.1", "less than or equal to 4"),
        ({"model": {"stem": {"kernel": 4}}}, "model.stem.kernel", "1, 3, 5 or 7"),
        ({"model": {"activation": "tanh"}}, "model.activation", "'relu'"),
        ({"model": {"name": "vgg"}}, "model.name", "unknown model 'vgg'"),
        ({"model": {"head": {"dropout": 1.0}}}, "model.head.dropout", "less than 1"),
        ({"model": {"widths": [8, 16, 32], "strides": [1, 2, 2]}}, "model", "widths has 3 stages but blocks has 4"),
        ({"model": {"strides": [1]}}, "model", "widths has 4 stages but strides has 1"),
        ({"data": {"validation": 0}}, "data.validation", "count of images (1 or more) or a fraction"),
        ({"data": {"validation": 1.5}}, "data.validation", "but got 1.5"),
        ({"data": {"validation": True}}, "data.validation", "count of images"),
        ({"data": {"name": "npz"}}, "data", "name is npz but path is missing"),
        ({"data": {"classes": 5}}, "data", "classes is 5 but name is cifar10"),
        ({"data": {"label_noise": 1.0}}, "data.label_noise", "less than 1"),
        ({"data": {"label_noise": -0.1}}, "data.label_noise", "greater than or equal to 0"),
        ({"draws": -1}, "draws", "greater than or equal to 0"),
        ({"draws": 0.5}, "draws", "valid integer"),
        ({"data": {"train_limit": 100}}, "", "batch_size is 128 but data.train_limit is 100"),
        (
            {"batch_size": 50_000},
            "",
            "batch_size must be at most 45000, as data.validation is 0.1 of cifar10, but got 50",
        ),
        ({"data": {"name": "digits", "validation": 400}, "batch_size": 2048}, "", "batch_size must be at most 1100"),
        ({"epochs": 3, "schedule": {"warmup_epochs": 4}}, "", "schedule.warmup_epochs is 4 but epochs is 3"),
        ({"batch_size": 1}, "", "batch_size is 1 but the network normalises over the batch"),
        ({"data": {"name": "digits"}, "augment": {"crop": 8}}, "", "augment.crop is 8 but the images have 8 pixels"),
        ({"regularization": {"grad_clip": 0}}, "regularization.grad_clip", "greater than 0"),
    ],
)
def test_wrong_settings_are_refused_with_key_rule_and_values(settings: dict[str, Any], key: str, rule: str):
    with pytest.raises(BadRecipe) as refusal:
        SCHEMA.validate(settings)
    [(location, message)] = refusal.value.mistakes
    assert location == key
    assert rule in message


def test_a_float_accepts_an_integer_and_lists_become_tuples():
    recipe = SCHEMA.validate({"optimizer": {"lr": 1}, "model": {"blocks": [1, 2, 3, 4]}})
    assert (recipe.optimizer.lr, type(recipe.optimizer.lr)) == (1.0, float)
    assert recipe.model.blocks == (1, 2, 3, 4)


@pytest.mark.parametrize("settings", [{}, {"data": {"validation": 5000}}, {"regularization": {"grad_clip": 1.0}}])
def test_a_recipe_survives_its_own_dump_as_json(settings: dict[str, Any]):
    recipe = SCHEMA.validate(settings)
    assert SCHEMA.validate(json.loads(json.dumps(SCHEMA.dump(recipe)))) == recipe
    assert hash(SCHEMA.validate(settings)) == hash(recipe)


def test_a_recipe_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Recipe().optimizer.lr = 3.0


def test_every_field_is_described_in_the_json_schema():
    schema = TypeAdapter(Recipe).json_schema()
    sections = [schema, *schema["$defs"].values()]
    bare = [f"{s['title']}.{name}" for s in sections for name, f in s["properties"].items() if not f.get("description")]
    assert bare == []
    named = {t.__name__ for t in SCHEMA.keys.values() if isinstance(t, type) and issubclass(t, BaseModel)}
    assert named <= {section["title"] for section in sections}
