"""Predictions and pictures of a whole study: which stages keep them, and when the workload is asked for images."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sweeps
from sweeps.artifacts.layout import THUMBNAILS
from sweeps.engine.launch import Folders, Options, launch
from sweeps.storage.runs import NotFound, open_results
from sweeps.study.document import from_text
from sweeps.study.study import parse
from sweeps.workload import Run, Site, load

CLASSES, IMAGES = 3, 30
SOURCE = '<img src="data:image/png;base64,'


@dataclass(frozen=True)
class Recipe:
    """A classifier that is right on the first images; `handicap` says how many fewer.

    Attributes:
        broken: Whether its images cannot be shown.
    """

    lr: float = 0.1
    epochs: int = 2
    handicap: int = 0
    broken: bool = False


def train(recipe: Recipe, run: Run) -> Iterator[Mapping[str, float]]:
    """Keep predictions whenever the engine asks for them, of 20 images that differ by split."""
    for epoch in range(run.epoch, recipe.epochs):
        right = 16 - recipe.handicap
        if run.keeps_predictions and not run.final and epoch + 1 == recipe.epochs:
            _record(run, "validation", np.arange(20) + run.split_seed % 5, right)
        yield {"train_loss": 1.0} if run.final else {"val_accuracy": 5.0 * right}
        with run.checkpoint() as folder:
            (folder / "state").write_text("")


def evaluate(recipe: Recipe, run: Run, entries: Sequence[Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Keep the predictions for the test set, with logits."""
    assert run.keeps_predictions
    _record(run, "test", np.arange(IMAGES), 24 - recipe.handicap, np.zeros((IMAGES, CLASSES)))
    yield "test", {"accuracy": 100 * (24 - recipe.handicap) / IMAGES}


def thumbnails(recipe: Recipe, site: Site, set_name: str, indices: Sequence[int]) -> np.ndarray:
    """Log what is asked for; an image is as bright as its index."""
    with (site.data_dir / "asked.txt").open("a") as file:
        file.write(f"{set_name} {list(indices)}\n")
    if recipe.broken:
        raise OSError("the disk with the images is gone")
    return np.stack([np.full((4, 4, 3), index, np.uint8) for index in indices])


def percentages() -> list[str]:
    """Return the metrics in percent."""
    return ["accuracy"]


def _record(run: Run, name: str, images: np.ndarray, right: int, logits: Any = None) -> None:
    labels = images % CLASSES
    predicted = np.where(np.arange(len(images)) < right, labels, (labels + 1) % CLASSES)
    shares = np.full(len(images), 0.8)
    run.record_predictions(
        name,
        images=images,
        labels=labels,
        predicted=predicted,
        top_probability=shares,
        label_log_probability=np.log(shares),
        logits=logits,
    )


def study(tmp_path: Path, **baseline: Any) -> tuple[Path, Any]:
    settings = {
        "name": "pictured",
        "question": "Which images?",
        "workload": "tests.sweeps.engine.test_thumbnails",
        "baseline": {"epochs": 2, **baseline},
        "metric": {"name": "val_accuracy", "goal": "maximize"},
        "method": "random",
        "run_cap": 1,
        "parameters": {"lr": {"values": [0.1, 0.2]}},
        "ablation": {"baseline": "given", "components": {"eyes": {"handicap": 6}}, "seeds": 2},
        "final": {"seeds": 2, "arms": "all"},
    }
    (tmp_path / "data").mkdir(exist_ok=True)
    parsed = parse(from_text(json.dumps(settings), "pictured.yaml"))
    folders = Folders(tmp_path / "runs", tmp_path / "reports", tmp_path / "data")
    options = Options(folders=folders, runner="inline", quiet=True, accept_drift=True)
    result = launch(parsed, load(parsed.workload), options)
    assert result.complete
    return tmp_path / "runs" / "pictured", result


def test_replicates_keep_predictions_and_the_page_shows_images(tmp_path: Path) -> None:
    folder, result = study(tmp_path)
    kept = sorted(f"{path.parts[-4]}/{path.name}" for path in folder.glob("*/*/predictions/*.npz"))
    assert kept == ["ablation/validation.npz"] * 4 + ["final/test.npz"] * 4  # and none of the search
    results = sweeps.load("pictured", tmp_path / "runs")
    assert results.predictions("final/0").accuracy == results.records.stages["final"].trials[0].value
    assert results.predictions("final/0").logits is not None
    assert results.predictions("ablation/0").logits is None
    with pytest.raises(NotFound, match="0 of pictured has kept no predictions for validation"):
        results.predictions("0")
    main = results.images.main
    assert main is not None
    [flips] = main.flips
    assert (main.name, [image.image for image in flips.images]) == ("test", list(range(18, 24)))
    assert (tmp_path / "data" / "asked.txt").read_text() == "test [18, 19, 20, 21, 22, 23]\n"
    assert result.report.read_text(encoding="utf-8").count(SOURCE) == 6
    study(tmp_path)  # nothing is left to run: the images are there already
    assert len((tmp_path / "data" / "asked.txt").read_text().splitlines()) == 1


def test_workload_that_cannot_show_its_images_fails_nothing(tmp_path: Path) -> None:
    folder, result = study(tmp_path, broken=True)
    assert not (folder / THUMBNAILS).exists()
    text = result.report.read_text(encoding="utf-8")
    assert SOURCE not in text
    assert 'id="images"' in text
    assert open_results(tmp_path / "runs", "pictured").stages["final"].trials[0].value == 80.0
