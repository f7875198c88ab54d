"""The preset: what it stands for, what wins over it, and that whoever reads settings sees the settings themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cifar_sweep.recipe import Recipe
from cifar_sweep.recipe.presets import PRESETS
from cifar_sweep.training.trainer import Trainer
from sweeps.samplers.constraint_gate import ConstraintGate
from sweeps.study.document import from_text
from sweeps.study.study import Study, StudyError, schema
from sweeps.validation.checks import accept
from sweeps.workload import Run, Workload, load

FAST = {"preset": "fast"}
SCHEMA = load("cifar_sweep").schema
ON_DIGITS = {
    **FAST,
    "data": {"name": "digits", "validation": 300, "train_limit": 256},
    "model": {"widths": [8, 16], "whiten_bias_epochs": 2},
    "augment": {"crop": 1},
    "schedule": {"warmup_epochs": 1},
    "epochs": 4,
    "batch_size": 64,
    "precision": "fp32",
}


def accepted(**sections: Any) -> tuple[Study, Workload]:
    study = {
        "name": "presets",
        "question": "Is it there?",
        "workload": "cifar_sweep",
        "metric": {"name": "val_accuracy", "goal": "maximize"},
        **sections,
    }
    return accept(from_text(json.dumps(study), "presets.yaml"))


def settings(baseline: dict[str, Any], **overrides: Any) -> dict[str, Any]:
    dotted = {key.replace("__", "."): value for key, value in overrides.items()}
    return SCHEMA.dump(SCHEMA.validate(SCHEMA.merge(baseline, dotted)))


def test_no_preset_is_the_default():
    assert Recipe().model.name == "resnet"
    assert settings({}) == settings({"preset": None}) != settings(FAST)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_made_of_valid_settings_and_is_not_found_in_what_it_stands_for(name: str):
    full = settings({"preset": name})
    assert "preset" not in full
    for key, section in PRESETS[name].items():
        parts = section if isinstance(section, dict) else {"": section}
        for part, value in parts.items():
            expanded = full[key][part] if part else full[key]
            assert expanded == value or value == {}, key
    assert settings(full) == full
    assert Recipe.model_validate(full) == Recipe.model_validate({"preset": name})
    assert SCHEMA.validate(full) == SCHEMA.validate({"preset": name})


def test_what_is_given_wins_and_the_rest_of_its_section_stays():
    full = settings({**FAST, "model": {"widths": [32, 64]}, "regularization": {"lookahead": None}, "epochs": 3})
    assert (full["model"]["name"], full["model"]["widths"], full["epochs"]) == ("airbench", [32, 64], 3)
    assert full["regularization"]["lookahead"] is None
    assert full["regularization"]["label_smoothing"] == 0.2


def test_another_name_leaves_the_presets_settings_of_that_section_away():
    full = settings({**FAST, "optimizer": {"name": "sgd"}, "model": {"name": "resnet"}})
    plain = settings({})
    assert full["optimizer"] == plain["optimizer"]
    assert full["model"] == plain["model"]
    assert full["schedule"] == settings(FAST)["schedule"]


@pytest.mark.parametrize("written_out", [False, True])
def test_an_override_means_the_same_over_the_preset_and_over_what_it_stands_for(written_out: bool):
    baseline = settings(FAST) if written_out else FAST
    full = settings(baseline, model__whitening=False, optimizer__lr=0.1, augment__flip=True)
    expected = settings(FAST)
    expected["model"]["whitening"], expected["optimizer"]["lr"], expected["augment"]["flip"] = False, 0.1, True
    assert full == expected
    assert settings(baseline, model__name="resnet")["model"] == settings({})["model"]
    assert SCHEMA.takes(baseline, "model.whitening")
    assert not SCHEMA.takes(baseline, "model.blocks")


def test_a_study_may_search_and_ablate_what_the_preset_stands_for():
    study, workload = accepted(
        baseline=FAST,
        run_cap=4,
        parameters={"model.whiten_bias_epochs": {"values": [1, 3]}, "augment.flip": {"values": [True, "alternating"]}},
        ablation={"baseline": "given", "components": ["whitening", "lookahead", "tta"], "seeds": 2},
    )
    gate = ConstraintGate(study, workload)
    assert gate.baseline().settings["model"]["name"] == "airbench"
    feasibility = gate.assess({"model.whiten_bias_epochs": 1, "augment.flip": True})
    assert feasibility.accepted
    assert feasibility.settings["model"]["whiten_bias_epochs"] == 1
    for name in ("whitening", "dirac_init", "alternating_flip", "reflect", "lookahead", "tta"):
        without = gate.weigh(gate.baseline().settings, workload.toggles()[name])
        assert without.accepted
        assert without.settings != gate.baseline().settings


@pytest.mark.parametrize(
    ("sections", "where"),
    [
        (
            {"baseline": {"preset": "fats"}, "parameters": {"epochs": {"values": [1, 2]}}, "run_cap": 1},
            "preset.*'fast'",
        ),
        ({"parameters": {"preset": {"values": [None, "fast"]}}, "run_cap": 1}, "preset.*stands for other settings"),
        (
            {"baseline": FAST, "ablation": {"baseline": "given", "components": {"it": {"preset": None}}, "seeds": 2}},
            "preset.*stands for other settings",
        ),
    ],
)
def test_a_preset_is_known_and_stands_in_the_baseline_alone(sections: dict[str, Any], where: str):
    with pytest.raises(StudyError, match=f"(?s){where}"):
        accepted(**sections)


def test_editors_know_the_presets():
    assert "fast" in json.dumps(schema(SCHEMA)["properties"]["baseline"]["properties"]["preset"])


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}


def test_the_whole_preset_resumes_bit_for_bit(make_run: Callable[..., Run], tmp_path: Path):
    recipe = SCHEMA.validate(ON_DIGITS)
    straight, rows = Trainer.start(recipe, make_run()), []
    while not straight.finished:
        rows.append(straight.run_epoch())
        folder = tmp_path / f"epoch{straight.epoch}"
        folder.mkdir()
        straight.save(folder)
    for stop in (1, 2, 3):
        resumed = Trainer.start(recipe, make_run(seed=1))
        resumed.restore(tmp_path / f"epoch{stop}")
        while not resumed.finished:
            row, expected = resumed.run_epoch(), rows[resumed.epoch - 1]
            for name in ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr"):
                assert row[name] == expected[name], (stop, name)
        assert all(torch.equal(tensor, weights(straight)[name]) for name, tensor in weights(resumed).items())
    assert rows[-1]["val_accuracy"] > 30  # it learns: guessing has 10, and half of the digits are mirrored
