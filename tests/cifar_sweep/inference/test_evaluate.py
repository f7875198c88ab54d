from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cifar_sweep import workload
from cifar_sweep.data.cache import FOLDER
from cifar_sweep.inference import metrics as measuring
from cifar_sweep.inference.trained import Trained
from cifar_sweep.models import build
from cifar_sweep.recipe import Recipe
from cifar_sweep.train import STATE, Trainer
from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.artifacts.confusion import read_confusion
from sweeps.workload import Run, Unavailable

OPEN = frozenset({"train", "validation", "test"})
Figures = dict[str, Mapping[str, float]]


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> tuple[Recipe, Path]:
    """A recipe and the run folder of the network that it trained on all of the digits' training images."""
    settings: dict[str, Any] = {
        "data": {"name": "digits"},
        "augment": {"crop": 1, "flip": False},
        "model": {"blocks": [1, 1], "widths": [8, 16], "strides": [1, 2]},
        "epochs": 4,
        "batch_size": 64,
        "precision": "fp32",
    }
    recipe, folder = Recipe.model_validate(settings), tmp_path_factory.mktemp("learned")
    run = Run(seed=1, split_seed=1, device="cpu", data_dir=data_dir, folder=folder, final=True)
    for _ in workload.train(recipe, run):
        run.epoch += 1
    return recipe, folder


@pytest.fixture
def figures(learned: tuple[Recipe, Path], make_run: Callable[..., Run]) -> Callable[..., Figures]:
    """A function from entries to what the learned network reaches on the test set and on them."""

    def evaluate(*entries: Any, **fields: Any) -> Figures:
        recipe, folder = learned
        return dict(workload.evaluate(recipe, make_run(folder=folder, access=OPEN, **fields), entries))

    return evaluate


def cifar_network(
    make_recipe: Callable[..., Recipe], folder: Path, data_dir: Path, **fields: Any
) -> tuple[Recipe, Run]:
    """A recipe and the run of an untrained network on the images of `data_dir`, its state saved."""
    recipe = make_recipe(data={"name": "cifar10", "validation": 40, "train_limit": 100})
    run = Run(seed=1, split_seed=1, device="cpu", data_dir=data_dir, folder=folder)
    Trainer.start(recipe, run).save(folder)
    return recipe, Run(seed=1, split_seed=1, device="cpu", data_dir=data_dir, folder=folder, restored=folder, **fields)


def test_a_trained_network_is_far_above_chance_on_the_test_set(figures):
    [(name, reached)] = figures().items()
    assert name == "test"
    assert set(reached) == {"accuracy", "loss"}
    assert reached["accuracy"] > 85
    assert reached["loss"] < 1
    assert all(type(value) is float for value in reached.values())
    assert reached["accuracy"] * 2.97 == pytest.approx(round(reached["accuracy"] * 2.97))  # percent of 297 images


def test_the_test_set_comes_first_then_the_entries_in_their_order(figures):
    entries = ["noise:2", {"name": "pale", "corruption": "contrast", "severity": 1}, "jpeg"]
    assert list(figures(*entries)) == ["test", "noise 2", "pale", *(f"jpeg {s}" for s in range(1, 6))]


def test_what_is_evaluated_is_what_was_announced(learned, figures):
    recipe, _ = learned
    assert list(figures("corruptions")) == ["test", *workload.evaluations(recipe, "corruptions")]


def test_evaluation_is_the_same_every_time_whatever_was_drawn_meanwhile(figures):
    first = figures("noise", "jpeg:1")
    torch.manual_seed(5)
    np.random.default_rng().random()
    assert figures("noise", "jpeg:1") == first


def test_every_model_sees_the_same_corrupted_images_whatever_its_seed_and_label(figures):
    entries = ({"name": "grainy", "corruption": "noise", "severity": 4}, "noise:4")
    reached = figures(*entries, seed=77, split_seed=9)
    assert reached["grainy"] == reached["noise 4"] == figures("noise:4")["noise 4"]


def test_the_batch_size_of_the_evaluation_does_not_change_what_is_seen(figures, monkeypatch: pytest.MonkeyPatch):
    whole = figures("noise:5")
    monkeypatch.setattr(measuring, "BATCH", 70)
    parts = figures("noise:5")
    for name in whole:
        assert parts[name]["accuracy"] == whole[name]["accuracy"]
        assert parts[name]["loss"] == pytest.approx(whole[name]["loss"], rel=1e-5)


def test_accuracy_falls_and_loss_grows_with_noise(figures):
    reached = figures("noise")
    losses = [reached[name]["loss"] for name in ("test", *(f"noise {s}" for s in range(1, 6)))]
    accuracies = [reached[name]["accuracy"] for name in ("test", "noise 3", "noise 5")]
    assert losses == sorted(set(losses))
    assert accuracies == sorted(set(accuracies), reverse=True)


@pytest.mark.parametrize("kind", ["blur", "contrast", "jpeg", "brightness"])
def test_the_severest_corruption_costs_accuracy(figures, kind: str):
    reached = figures(kind)
    assert reached[f"{kind} 5"]["accuracy"] < reached["test"]["accuracy"]
    assert reached[f"{kind} 5"]["loss"] > reached[f"{kind} 1"]["loss"]


@pytest.mark.parametrize("normalise", [True, False])
def test_pixels_are_scaled_as_in_training(make_recipe, make_run, tmp_path: Path, normalise: bool):
    trainer = Trainer.start(make_recipe(augment__normalise=normalise), make_run(split_seed=3))
    trainer.run_epoch()
    trainer.save(tmp_path)
    trained = Trained.load(trainer.recipe, tmp_path, torch.device("cpu"))
    loaded, original = trained.scaling, trainer.images.source.scaling
    assert torch.equal(loaded.factor, original.factor)
    assert torch.equal(loaded.offset, original.offset)
    measured = measuring.measure(trained.network, trainer.images.source, trainer.images.validation, "fp32")
    assert measured == trainer.validate().means()


def test_the_test_set_is_that_of_the_official_file(make_recipe, tmp_path: Path, cifar10_dir: Path):
    recipe, run = cifar_network(make_recipe, tmp_path, cifar10_dir, access=OPEN)
    before = dict(workload.evaluate(recipe, run, []))["test"]["loss"]
    file = cifar10_dir / "cifar-10-batches-py" / "test_batch"
    batch = pickle.loads(file.read_bytes())
    file.write_bytes(pickle.dumps(batch | {"labels": [(label + 1) % 10 for label in batch["labels"]]}, protocol=2))
    assert dict(workload.evaluate(recipe, run, []))["test"]["loss"] != before


@pytest.mark.parametrize(
    "entries", [[], ["fog"], ["corruptions"], [{"name": "other", "data": {"name": "npz", "path": "o.npz"}}]]
)
@pytest.mark.parametrize("access", [{"train", "validation"}, {"train"}, set()])
def test_no_file_of_the_test_part_is_opened_without_access(
    make_recipe, tmp_path: Path, cifar10_dir: Path, entries: list[Any], access: set[str]
):
    recipe, run = cifar_network(make_recipe, tmp_path, cifar10_dir, access=frozenset(access))
    for file in (cifar10_dir / "cifar-10-batches-py" / "test_batch", cifar10_dir / "o.npz"):
        file.write_bytes(b"broken")  # opening it would be another error
    with pytest.raises(PermissionError, match="may not read the test part"):
        list(workload.evaluate(recipe, run, entries))
    assert not [folder for folder in (cifar10_dir / FOLDER).iterdir() if "-test-" in folder.name]


def test_with_access_a_broken_test_file_is_opened_and_named(make_recipe, tmp_path: Path, cifar10_dir: Path):
    recipe, run = cifar_network(make_recipe, tmp_path, cifar10_dir, access=OPEN)
    (cifar10_dir / "cifar-10-batches-py" / "test_batch").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"the test part cannot be read: .*test_batch"):
        list(workload.evaluate(recipe, run, []))


def test_a_wrong_entry_is_refused_before_the_test_set_is_opened(make_recipe, tmp_path: Path, cifar10_dir: Path):
    recipe, run = cifar_network(make_recipe, tmp_path, cifar10_dir, access=OPEN)
    (cifar10_dir / "cifar-10-batches-py" / "test_batch").write_bytes(b"broken")
    with pytest.raises(ValueError, match="unknown corruption 'fog'"):
        next(workload.evaluate(recipe, run, ["noise", "fog"]))


def test_a_missing_collection_is_named_before_the_test_set_is_opened(make_recipe, tmp_path: Path, cifar10_dir: Path):
    recipe, run = cifar_network(make_recipe, tmp_path, cifar10_dir, access=OPEN)
    (cifar10_dir / "cifar-10-batches-py" / "test_batch").write_bytes(b"broken")
    with pytest.raises(Unavailable, match=r"no .*far\.npz"):
        next(workload.evaluate(recipe, run, ["noise", {"name": "far", "data": {"name": "npz", "path": "far.npz"}}]))


def test_what_is_taken_for_what_is_left_for_the_test_set_and_collections_but_not_for_corruptions(
    learned, figures, data_dir: Path
):
    from cifar_sweep.data.cache import load_images

    recipe, folder = learned
    test = load_images(recipe.data, data_dir, "test")
    np.savez(data_dir / "half.npz", x_test=test.pixels[:150], y_test=test.labels[:150])
    reached = figures("noise:3", {"name": "Half of it", "data": {"name": "npz", "path": "half.npz"}})
    assert len(list(folder.glob("confusion-*.csv"))) == 2
    for name, labels in (("test", test.labels), ("Half of it", test.labels[:150])):
        confusion = read_confusion(folder, name)
        assert confusion is not None
        assert confusion.names == tuple("0123456789")
        assert confusion.images == tuple(np.bincount(labels, minlength=10))
        assert 100 * sum(confusion.correct) / len(labels) == pytest.approx(reached[name]["accuracy"])


def test_each_level_of_a_hierarchy_has_its_accuracy(make_run, tmp_path: Path):
    level = {"name": "two_layer", "hidden": [16]}
    groups = [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]
    model = {"name": "hierarchical", "coarse": level, "fine": level, "groups": groups}
    recipe = Recipe.model_validate({"data": {"name": "digits"}, "model": model, "precision": "fp32"})
    network = build(recipe.model, recipe.data.shape)
    scaling = {"factor": torch.full((1,), 1 / 255), "offset": torch.zeros(1)}
    torch.save({"network": network.state_dict(), "scaling": scaling}, tmp_path / STATE)
    run = make_run(access=OPEN)
    run.restored = tmp_path
    reached = dict(workload.evaluate(recipe, run, ["noise:1"]))
    for figures in reached.values():
        assert set(figures) == {"accuracy", "loss", "coarse_accuracy", "fine_accuracy"}
        assert figures["accuracy"] <= min(figures["coarse_accuracy"], figures["fine_accuracy"])


def test_without_a_checkpoint_there_is_nothing_to_evaluate(make_recipe, make_run):
    with pytest.raises(ValueError, match="there is no checkpoint to evaluate"):
        next(workload.evaluate(make_recipe(), make_run(access=OPEN), []))


def test_another_collection_is_measured_by_its_own_test_part(make_recipe, tmp_path: Path, cifar10_dir: Path):
    recipe, run = cifar_network(make_recipe, tmp_path, cifar10_dir, access=OPEN)
    batch = pickle.loads((cifar10_dir / "cifar-10-batches-py" / "test_batch").read_bytes())
    pixels = batch["data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    labels = np.array(batch["labels"])
    np.savez(cifar10_dir / "same.npz", x_test=pixels, y_test=labels)
    np.savez(cifar10_dir / "dark.npz", x_test=pixels // 2, y_test=labels)
    entries = [{"name": name, "data": {"name": "npz", "path": f"{name}.npz"}} for name in ("same", "dark")]
    reached = dict(workload.evaluate(recipe, run, entries))
    assert reached["same"] == reached["test"]
    assert reached["dark"]["loss"] != reached["test"]["loss"]


def test_another_collection_with_labels_that_the_network_lacks_is_refused(
    make_recipe, tmp_path: Path, cifar10_dir: Path
):
    recipe, run = cifar_network(make_recipe, tmp_path, cifar10_dir, access=OPEN)
    np.savez(cifar10_dir / "o.npz", x_test=np.zeros((2, 32, 32, 3), np.uint8), y_test=[0, 10])
    with pytest.raises(ValueError, match=r"npz .*o\.npz\), test part: labels must be 0 to 9 but are 0 to 10"):
        dict(workload.evaluate(recipe, run, [{"name": "o", "data": {"name": "npz", "path": "o.npz"}}]))


def make_folders(root: Path, parts: list[str], classes: list[str]) -> None:
    from PIL import Image

    for part in parts:
        for shade, name in enumerate(classes):
            (root / part / name).mkdir(parents=True)
            for index in range(4):
                Image.new("L", (8, 8), 60 * shade + index).save(root / part / name / f"{index}.png")


@pytest.mark.parametrize(("classes", "message"), [
    (["cat", "dog"], None),
    (["cat", "horse"], "far: the network knows cat, dog but the set has cat, horse"),
])  # fmt: skip
def test_a_folder_to_measure_on_needs_no_train_but_the_same_classes(
    make_recipe, tmp_path: Path, classes: list[str], message: str | None
):
    make_folders(tmp_path / "near", ["train", "test"], ["cat", "dog"])
    make_folders(tmp_path / "far", ["test"], classes)
    data = {"name": "folder", "path": "near", "size": 8, "channels": 1, "classes": 2, "validation": 2}
    recipe = make_recipe(data=data | {"train_limit": 4}, batch_size=4)
    run = Run(seed=1, split_seed=1, device="cpu", data_dir=tmp_path, folder=tmp_path, access=OPEN)
    Trainer.start(recipe, run).save(tmp_path)
    run.restored = tmp_path
    evaluation = workload.evaluate(recipe, run, [{"name": "far", "data": {"name": "folder", "path": "far"}}])
    if message is None:
        assert list(dict(evaluation)) == ["test", "far"]
    else:
        with pytest.raises(ValueError, match=message):
            dict(evaluation)


def test_a_network_that_broke_gives_nan(learned, make_run, tmp_path: Path):
    recipe, folder = learned
    saved = CheckpointFolder(folder / "checkpoint").restore()
    assert saved is not None
    state = torch.load(saved[0] / STATE, weights_only=True)
    state["network"]["head.output.weight"].fill_(math.nan)
    torch.save(state, tmp_path / STATE)
    reached = dict(workload.evaluate(recipe, make_run(access=OPEN, restored=tmp_path), []))
    assert all(math.isnan(value) for value in reached["test"].values())
