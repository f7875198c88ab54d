"""Data and runs for the tests of the workload."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cifar_sweep.recipe import Recipe
from sweeps.artifacts.checkpoint import CheckpointFolder
from sweeps.recipe.schema import RecipeSchema
from sweeps.study.document import from_text
from sweeps.study.study import parse
from sweeps.workload import Run, load
from tests.sweeps.support import run_inline

PACKS = Path(__file__).parents[3] / "shared" / "data"

SMALL = {
    "data": {"name": "digits", "validation": 300, "train_limit": 256},
    "augment": {"crop": 1, "flip": False},
    "model": {"blocks": [1, 1], "widths": [8, 16], "strides": [1, 2]},
    "epochs": 3,
    "batch_size": 64,
    "precision": "fp32",
}


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that all tests share, so that the digits are decoded once."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def cifar10_dir(tmp_path: Path) -> Path:
    """A data folder of one test's own, with 200 + 40 random images in CIFAR-10's official layout."""
    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name in [*(f"data_batch_{index}" for index in range(1, 6)), "test_batch"]:
        data = generator.integers(0, 256, (40, 3072), dtype=np.uint8)
        content = {"data": data, "labels": [index % 10 for index in range(40)], "batch_label": name}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    return folder.parent


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function that unpacks a pack of real images by name and returns its data folder; without the pack, it skips."""
    target = tmp_path_factory.mktemp("packs")

    def unpack(name: str) -> Path:
        if not (PACKS / f"{name}.npz").exists():
            pytest.skip(f"no pack {name}.npz in a folder shared/data beside the repository")
        if not (target / name).exists():
            command = [sys.executable, str(PACKS / "unpack.py"), str(target), name]
            subprocess.run(command, check=True, capture_output=True)
        return target / name

    return unpack


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with the study `tiny`: a search of two trials and two final models. The data are in `data`."""
    folder, small = tmp_path_factory.mktemp("runs"), {key: SMALL[key] for key in ("augment", "model", "precision")}
    settings = {
        "name": "tiny",
        "question": "Which learning rate is best on digits?",
        "workload": "cifar_sweep",
        "baseline": {"data": {"name": "digits", "validation": 300}, "epochs": 3, "batch_size": 64, **small},
        "method": "random",
        "metric": {"name": "val_accuracy", "goal": "maximize"},
        "run_cap": 2,
        "parameters": {"optimizer.lr": {"values": [0.05, 0.1]}},
        "final": {"seeds": 2},
    }
    result = run_inline(parse(from_text(json.dumps(settings), "tiny.yaml")), folder)
    assert result.complete
    return folder


@pytest.fixture
def make_recipe() -> Callable[..., Recipe]:
    """A function that makes a recipe that trains on digits in seconds, from overrides by key (`__` stands for a dot).

    An override of the model's name replaces the small model by the defaults of that model.
    """
    schema = RecipeSchema(Recipe)
    return lambda **overrides: schema.validate(
        schema.merge(SMALL, {k.replace("__", "."): v for k, v in overrides.items()})
    )


@pytest.fixture
def make_run(tmp_path: Path, data_dir: Path) -> Callable[..., Run]:
    """A function that makes a run, in a folder of its own unless `folder` is given."""
    made: list[Run] = []

    def make(**fields: Any) -> Run:
        folder = fields.pop("folder", tmp_path / f"run{len(made)}")
        folder.mkdir(exist_ok=True)
        restored = CheckpointFolder(folder / "checkpoint").restore()
        standard = {"seed": 1, "split_seed": 1, "device": "cpu", "data_dir": data_dir, "folder": folder}
        if restored is not None:
            standard |= {"restored": restored[0], "epoch": restored[1]}
        made.append(Run(**(standard | fields)))
        return made[-1]

    return make


@pytest.fixture
def curve() -> Callable[..., list[Mapping[str, float]]]:
    """A function that trains as the engine does and returns the metrics of each epoch; `stop_after` kills it then."""

    def drive(recipe: Any, run: Run, *, workload: str = "cifar_sweep", stop_after: int | None = None) -> list[Any]:
        rows: list[Any] = []
        training = load(workload).train(recipe, run)
        for row in training:
            rows.append(row)
            if len(rows) == stop_after:
                training.close()  # like a kill: after the metrics, before the state is saved
                break
            run.epoch += 1
        return rows

    return drive
