"""What an audit found in data: test images among those for training, and one test set opened by several studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

import sweeps
from benchmarks.synthetic_study import without_sync

TRAIN, TEST = 260, 60


def digits(folder: Path, name: str, *, train: int = TRAIN, leaked: int = 0) -> dict[str, Any]:
    """A study of digits in an npz file whose training images contain the first `leaked` test images."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16 * 255).astype(np.uint8).reshape(-1, 8, 8)
    chosen = np.r_[0:train, TRAIN : TRAIN + leaked]
    test = slice(TRAIN, TRAIN + TEST)
    path = folder / f"{name}.npz"
    np.savez(path, x_train=images[chosen], y_train=labels[chosen], x_test=images[test], y_test=labels[test])
    data = {"name": "npz", "path": str(path), "size": 8, "channels": 1, "classes": 10, "validation": 60}
    return {
        "name": name,
        "question": "What becomes of this data?",
        "workload": "cifar_sweep",
        "metric": {"name": "val_accuracy", "goal": "maximize"},
        "baseline": {
            "data": data,
            "augment": {"crop": 0, "flip": False},
            "model": {"name": "resnet", "blocks": [1], "widths": [4], "strides": [1]},
            "epochs": 1,
        },
        "ablation": {"baseline": "given", "components": ["residual"], "seeds": 2},
        "final": {"seeds": 1},
    }


def answer(folder: Path, settings: dict[str, Any]) -> str:
    folders = {"runs_dir": folder / "runs", "reports_dir": folder / "reports", "data_dir": folder}
    with without_sync():
        outcome = sweeps.run(settings, **folders, runner="inline", quiet=True, cache=False)
    return "\n".join(outcome.results.answer)


def test_training_images_that_are_test_images_are_refused_by_name_and_number(tmp_path: Path) -> None:
    with pytest.raises(sweeps.UserError, match=r"\b40\b"):
        answer(tmp_path, digits(tmp_path, "leaky", leaked=40))
    assert not (tmp_path / "runs" / "leaky").exists()


def test_clean_data_is_not_accused(tmp_path: Path) -> None:
    assert "duplicate" not in answer(tmp_path, digits(tmp_path, "clean"))


def test_one_test_set_is_counted_over_studies_whose_training_images_differ(tmp_path: Path) -> None:
    answers = [answer(tmp_path, digits(tmp_path, f"one_less_{less}", train=TRAIN - less)) for less in range(3)]
    for text, times in zip(answers, ("once", "twice", "3 times"), strict=True):
        assert f"opened {times}" in text
