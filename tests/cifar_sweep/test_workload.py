from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cifar_sweep import workload
from cifar_sweep.recipe import Recipe, toggles
from sweeps.recipe.schema import RecipeSchema, merge
from sweeps.workload import Site, Unavailable, load

SCHEMA = RecipeSchema(Recipe)
OPERATIONS: dict[str, Any] = {name: {} for name in toggles.OPERATIONS}
ALL_ON = {
    "data": {"unlabelled": {"share": 0.2}},
    "augment": {
        **OPERATIONS,
        "trivial_augment": None,
        "aug_mix": None,
        "crop_padding": "reflect",
        "phases": [{"epochs": 2}],
    },
    "model": {
        "head": {"dropout": 0.1, "batch_norm": True, "batch_norm_logits": True, "text": {}},
        "zero_init": True,
        "stochastic_depth": 0.1,
    },
    "transfer": {"weights": "r1:7", "freeze": "body", "unfreeze": [{"epoch": 1}], "head_lr": 10.0},
    "optimizer": {"norm_bias_lr": 64.0},
    "regularization": {
        "label_smoothing": 0.1,
        "grad_clip": 1.0,
        "ema": 0.99,
        "lookahead": {},
        "early_stopping": {"patience": 3},
    },
    "tta": "mirror",
    "distillation": {"teacher": "r1:7"},
    "pseudo_labels": {},
    "pretrain": {},
}
OTHERS: dict[str, dict[str, Any]] = {  # parts that exclude others of ALL_ON
    "attention": {"model": {"name": "cbam_cnn"}},
    "whitening": {"model": {"name": "airbench"}},
    "dirac_init": {"model": {"name": "airbench"}},
    "alternating_flip": {"augment": {"flip": "alternating"}},
    "trivial_augment": {"augment": {"trivial_augment": {}}},
    "aug_mix": {"augment": {"aug_mix": {}}},
    "unlabelled": {"data": {"unlabelled": {"share": 0.2}}},
}


def test_the_engine_finds_every_capability_by_the_package_name():
    loaded = load("cifar_sweep")
    assert loaded.schema.type is Recipe
    assert all(loaded.has(name) for name in workload.__all__)
    assert set(workload.__all__) == {
        "train", "cost", "toggles", "prepare", "check_test_data", "chance", "smoke", "scale", "evaluations", "evaluate",
        "references", "without_validation", "thumbnails", "predict", "export", "tune_batch", "tune_lr", "gpu_share",
        "image_hashes", "confirm_duplicates", "duplicate_policy", "data_files", "fetch_data",
    }  # fmt: skip


@pytest.mark.parametrize(("factor", "widths"), [
    (1, [3, 16, 100]), (0.5, [2, 8, 50]), (0.26, [1, 4, 26]), (0.001, [1, 1, 1]), (1.5, [4, 24, 150]),
])  # fmt: skip
def test_scale_multiplies_every_width_and_keeps_one_channel(make_recipe, factor: float, widths: list[int]):
    model = {"widths": [3, 16, 100], "blocks": [1, 1, 1], "strides": [1, 2, 1]}
    recipe = make_recipe(model=model)
    edit = workload.scale(recipe, factor)
    assert edit == {"model.widths": widths}
    assert SCHEMA.validate(merge(SCHEMA.dump(recipe), edit)).model.widths == tuple(widths)


def test_a_larger_factor_never_makes_a_width_smaller(make_recipe):
    recipe = make_recipe(model__widths=[5, 131])
    scaled = [workload.scale(recipe, step / 256)["model.widths"] for step in range(1, 257)]
    assert all(
        smaller <= larger for low, high in itertools.pairwise(scaled) for smaller, larger in zip(low, high, strict=True)
    )
    assert scaled[-1] == [5, 131]


def test_draws_and_label_noise_cost_nothing_and_keep_the_data_s_name(make_recipe, data_dir: Path):
    plain, other = make_recipe(), make_recipe(draws=1, data__label_noise=0.3)
    assert workload.cost(plain) == workload.cost(other)
    assert workload.prepare(plain, Site(data_dir, "cpu")) == workload.prepare(other, Site(data_dir, "cpu"))


@pytest.mark.parametrize("name", workload.toggles())
def test_each_toggle_takes_its_part_from_a_recipe_that_has_it(name: str):
    settings, edit = OTHERS.get(name, ALL_ON), workload.toggles()[name]
    everything, without = SCHEMA.validate(settings), SCHEMA.validate(merge(settings, edit))
    changed = [key for key in edit if SCHEMA.get(everything, key) != SCHEMA.get(without, key)]
    assert set(edit) - set(changed) <= {"augment.trivial_augment", "augment.aug_mix"} - {f"augment.{name}"}
    assert changed
    assert SCHEMA.dump(SCHEMA.validate(merge(SCHEMA.dump(without), _values(everything, changed)))) == SCHEMA.dump(
        everything
    )


def _values(recipe: Recipe, keys: list[str]) -> dict[str, Any]:
    return {key: SCHEMA.get(recipe, key) for key in keys}


def test_toggles_are_copies():
    workload.toggles()["relu"]["model.activation"] = "gelu"
    assert workload.toggles()["relu"] == {"model.activation": "identity"}


@pytest.mark.parametrize("name", ["digits", "cifar10", "cifar100"])
def test_smoke_shrinks_any_recipe_that_trains(name: str):
    settings = {"data": {"name": name, "validation": 300}, "augment": {"crop": 1}, "batch_size": 1024, "epochs": 100}
    settings["schedule"] = {"warmup_epochs": 10}
    recipe = SCHEMA.validate(merge(settings, workload.smoke(SCHEMA.validate(settings))))
    assert (recipe.epochs, recipe.data.validation) == (1, 16)
    assert recipe.images_per_step <= recipe.data.train_limit <= 512
    assert recipe.data.train_limit * workload.cost(recipe)["macs"] <= workload.SMOKE_MACS


def test_a_smoke_run_trains(make_recipe, make_run, curve):
    shrunk = workload.smoke(make_recipe())
    [row] = curve(make_recipe(**{key.replace(".", "__"): value for key, value in shrunk.items()}), make_run())
    assert math.isfinite(row["val_loss"])


@pytest.mark.parametrize(("name", "classes"), [("digits", 10), ("cifar100", 100)])
def test_chance_is_percent_and_nats_of_a_guess(name: str, classes: int):
    figures = workload.chance(SCHEMA.validate({"data": {"name": name}, "augment": {"crop": 1}}))
    assert figures["val_accuracy"] == figures["train_accuracy"] == 100 / classes
    assert figures["val_loss"] == figures["train_loss"] == math.log(classes)


def test_prepare_names_the_data_and_settles_the_precision(make_recipe, data_dir: Path):
    prepared = workload.prepare(make_recipe(precision="auto", data__train_limit=None), Site(data_dir, "cpu"))
    assert prepared.settings["precision"] in ("fp32", "bf16")
    facts = prepared.provenance
    assert {key: facts[key] for key in facts if "hash" not in key and key != "fingerprint"} == {
        "data": "digits", "train_images": 1200, "validation_images": 300, "classes": 10, "image_size": 8,
    }  # fmt: skip
    assert all(len(facts[key]) == 64 for key in ("fingerprint", "split_hash"))


def test_the_fingerprint_is_of_the_data_and_the_split_hash_of_the_split(make_recipe, data_dir: Path, cifar10_dir: Path):
    def facts(root: Path = data_dir, **overrides: Any) -> tuple[str, str]:
        provenance = workload.prepare(make_recipe(**overrides), Site(root, "cpu")).provenance
        return provenance["fingerprint"], provenance["split_hash"]

    (fingerprint, split), (same, other_split) = facts(), facts(data__validation=200)
    assert fingerprint == same
    assert split != other_split
    cifar = {"data__name": "cifar10", "data__validation": 40, "data__train_limit": 100}
    assert facts(cifar10_dir, **cifar)[0] != fingerprint


def test_a_fingerprint_is_the_same_from_files_and_from_the_cache(make_recipe, cifar10_dir: Path):
    recipe = make_recipe(data__name="cifar10", data__validation=40, data__train_limit=100)
    first, second = (workload.prepare(recipe, Site(cifar10_dir, "cpu")).provenance for _ in range(2))
    assert first == second


def test_prepare_and_training_never_open_the_test_file(make_recipe, make_run, curve, cifar10_dir: Path):
    (cifar10_dir / "cifar-10-batches-py" / "test_batch").write_bytes(b"broken")
    recipe = make_recipe(data__name="cifar10", data__validation=40, data__train_limit=100, epochs=1)
    workload.prepare(recipe, Site(cifar10_dir, "cpu"))
    assert len(curve(recipe, make_run(data_dir=cifar10_dir))) == 1


def test_prepare_says_what_is_missing(make_recipe, tmp_path: Path):
    recipe = make_recipe(data={"name": "npz", "path": "own.npz", "size": 8, "channels": 1, "classes": 10})
    with pytest.raises(Unavailable, match=r"own\.npz"):
        workload.prepare(recipe, Site(tmp_path, "cpu"))


def test_prepare_refuses_a_batch_larger_than_the_training_side(make_recipe, data_dir: Path):
    recipe = make_recipe(data__train_limit=None).model_copy(update={"batch_size": 1300})
    with pytest.raises(ValueError, match="batch_size is 1300 but there are only 1200 training images"):
        workload.prepare(recipe, Site(data_dir, "cpu"))


def test_real_cifar100_trains_with_the_default_model(unpacked: Callable[[str], Path], make_run, curve):
    settings = {"data": {"name": "cifar100"}, "precision": "fp32"}
    recipe = SCHEMA.validate(merge(settings, workload.smoke(SCHEMA.validate(settings))))
    [row] = curve(recipe, make_run(data_dir=unpacked("cifar100-mini")))
    assert math.isfinite(row["val_loss"])


def test_prepare_finds_what_training_will_want(make_recipe, data_dir: Path):
    recipe = make_recipe(data__train_limit=None, data__unlabelled={"path": "nowhere.npz"})
    with pytest.raises(Unavailable, match=r"nowhere\.npz"):
        workload.prepare(recipe, Site(data_dir, "cpu"))


def test_a_final_run_stops_at_the_median_epoch_of_runs_that_stopped_early(make_recipe):
    patient = make_recipe(regularization__early_stopping__patience=2)
    edit = workload.without_validation(patient, [9, 3, 4, 8])
    final = SCHEMA.validate(merge(SCHEMA.dump(patient), edit)).regularization.early_stopping
    assert (final.patience, final.stop_epoch) == (None, 4)
    assert workload.without_validation(make_recipe(), [9, 3, 4]) == {}


def test_references_are_the_trials_that_a_recipe_learns_from(make_recipe):
    both = make_recipe(transfer__weights="r1:7", distillation={"teacher": "r2:final/0"})
    assert workload.references(both) == {"transfer.weights": "r1:7", "distillation.teacher": "r2:final/0"}
    assert workload.references(make_recipe(transfer__weights="body.pt")) == {}
