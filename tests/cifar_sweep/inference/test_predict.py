"""Predictions for unlabelled images, by the models of a study that was really run."""

from __future__ import annotations

import csv
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from cifar_sweep.data.cache import load_images
from cifar_sweep.data.formats import Images
from cifar_sweep.data.unlabelled import Unlabelled
from cifar_sweep.inference.predict import probabilities
from cifar_sweep.inference.trained import Trained
from cifar_sweep.recipe import DataRecipe, Recipe
from sweeps.cli.app import app
from sweeps.cli.commands.models import write_predictions
from sweeps.io.errors import UserError
from sweeps.models.trained import NoModel, deliver
from sweeps.workload import Predictions


@pytest.fixture(scope="session")
def held_out(tiny_study: Path) -> Images:
    """The digits that no model of the study was trained on."""
    return load_images(DataRecipe.model_validate({"name": "digits"}), tiny_study / "data", "test")


def pack(folder: Path, pixels: np.ndarray, kind: str) -> Path:
    """The images in one of the forms that they may come in."""
    path = folder / f"images{'' if kind == 'folder' else f'.{kind}'}"
    if kind == "npz":
        np.savez(path, data=pixels)
    elif kind == "pkl":
        path.write_bytes(pickle.dumps({"data": pixels}, protocol=2))
    else:
        path.mkdir()
        for place, image in enumerate(pixels):
            Image.fromarray(image[..., 0]).save(path / f"{place:04d}.png")
    return path


def predict(tiny_study: Path, *words: str | Path) -> Result:
    where = ["--data-dir", tiny_study / "data", "--runs-dir", tiny_study]
    return CliRunner().invoke(app, ["predict", *map(str, (*words, *where))], catch_exceptions=False)


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("kind", ["npz", "pkl", "folder"])
def test_every_form_of_the_images_gives_the_same_predictions_far_above_chance(
    tiny_study: Path, held_out: Images, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "new" / "out.csv"
    done = predict(tiny_study, "tiny", pack(tmp_path, np.array(held_out.pixels), kind), "--out", out)
    header, *predictions = rows(out)
    assert header == ["ID", "Labels"]
    assert np.mean([int(label) for _, label in predictions] == held_out.labels) > 0.6
    assert predictions[7][0] == ("0007" if kind == "folder" else "7")
    assert done.stderr == ""  # images like those of training: no warning
    assert "297 predictions by 1 model: tiny, the incumbent (final/0)" in done.stdout


def test_the_header_is_chosen_and_classes_may_be_named(tiny_study: Path, held_out: Images, tmp_path: Path) -> None:
    source, out = pack(tmp_path, np.array(held_out.pixels[:5]), "npz"), tmp_path / "out.csv"
    predict(tiny_study, "tiny:1", source, "--out", out, "--header", "image, class", "--names")
    assert rows(out)[0] == ["image", "class"]
    predict(tiny_study, "tiny:1", source, "--out", out, "--header", "=1+1,@class")
    assert rows(out)[0] == ["'=1+1", "'@class"]
    done = CliRunner().invoke(app, ["predict", "tiny", str(source), "--header", "ID"])
    assert done.exit_code == 2
    assert "give two titles, as ID,Labels" in done.stderr


def test_ids_that_a_spreadsheet_would_run_are_made_text(tiny_study: Path, held_out: Images, tmp_path: Path) -> None:
    np.savez(tmp_path / "ids.npz", data=held_out.pixels[:2], ids=np.array(["=1+1", "plain"]))
    predict(tiny_study, "tiny", tmp_path / "ids.npz", "--out", tmp_path / "out.csv")
    assert [row[0] for row in rows(tmp_path / "out.csv")] == ["ID", "'=1+1", "plain"]


def test_names_of_classes_that_a_spreadsheet_would_run_are_made_text(tmp_path: Path) -> None:
    write_predictions(tmp_path / "out.csv", ["ID", "Labels"], Predictions(["a", "b"], [0, 1], ["=1+1", "cat"]), True)
    assert rows(tmp_path / "out.csv") == [["ID", "Labels"], ["a", "'=1+1"], ["b", "cat"]]


def test_an_ensemble_is_the_mean_of_the_probabilities(tiny_study: Path, held_out: Images, tmp_path: Path) -> None:
    both = deliver(tiny_study, "tiny", ensemble=True)
    assert [(run.stage, run.number) for run in both.runs] == [("final", 0), ("final", 1)]
    recipe, device = Recipe.model_validate(both.settings), torch.device("cpu")
    pixels = torch.from_numpy(held_out.pixels)
    networks = [Trained.load(recipe, folder, device) for folder in both.folders]
    singles = [torch.softmax(network.logits(pixels), dim=1) for network in networks]
    mean = probabilities(networks, Unlabelled(held_out.pixels, tuple(map(str, range(len(pixels))))))
    assert torch.allclose(mean, (singles[0] + singles[1]) / 2)
    assert not torch.allclose(mean, singles[0], atol=1e-3)
    out = tmp_path / "out.csv"
    predict(tiny_study, "tiny", pack(tmp_path, np.array(held_out.pixels), "npz"), "--out", out, "--ensemble")
    assert [int(label) for _, label in rows(out)[1:]] == mean.argmax(dim=1).tolist()


def test_inverted_images_are_warned_of_on_stderr_and_in_json(
    tiny_study: Path, held_out: Images, tmp_path: Path
) -> None:
    source = pack(tmp_path, 255 - np.array(held_out.pixels), "npz")
    done = predict(tiny_study, "tiny", source, "--out", tmp_path / "out.csv", "--tta", "mirror_translate", "--json")
    assert "warning: the images are not like those of training: brightness" in done.stderr
    report = json.loads(done.stdout)
    assert report["predictions"] == sum(report["classes"].values()) == 297
    assert report["runs"] == ["final/0"]
    assert len(report["warnings"]) >= 1


def test_a_pile_of_one_class_is_warned_of(tiny_study: Path, held_out: Images, tmp_path: Path) -> None:
    zeros = np.array(held_out.pixels[held_out.labels == 0])
    done = predict(tiny_study, "tiny", pack(tmp_path, zeros, "npz"), "--out", tmp_path / "out.csv")
    assert "warning: the classes predicted have other shares than for images of training: 0 " in done.stderr


@pytest.mark.parametrize(("words", "message"), [
    (["tiny:99", "--out", "o.csv"], "tiny has no trial 99"),
    (["tiny:final/7", "--out", "o.csv"], "no trial 7 of the stage final"),
    (["tiny:best", "--out", "o.csv"], "'best' names no run: write a number of the search"),
    (["tiny:0", "--ensemble"], "an ensemble needs two or more"),
    (["tiny", "--tta", "flip"], "tta must be none, mirror, mirror_translate but is 'flip'"),
    (["none"], "no study 'none'"),
])  # fmt: skip
def test_what_is_not_there_is_one_clear_error(tiny_study: Path, tmp_path: Path, words: list[str], message: str) -> None:
    np.savez(tmp_path / "x.npz", data=np.zeros((1, 8, 8, 1), np.uint8))
    with pytest.raises(UserError, match=message):
        predict(tiny_study, words[0], tmp_path / "x.npz", *words[1:])


def test_labelled_images_are_refused(tiny_study: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", data=np.zeros((1, 8, 8, 1), np.uint8), labels=np.zeros(1))
    with pytest.raises(UserError, match="has labels"):
        predict(tiny_study, "tiny", tmp_path / "x.npz")


def test_a_run_that_completed_nothing_has_no_model(tiny_study: Path) -> None:
    with pytest.raises(NoModel, match="names no run"):
        deliver(tiny_study, "tiny:")


def test_the_search_has_a_single_model_and_the_final_one_goes_first(tiny_study: Path) -> None:
    assert deliver(tiny_study, "tiny").origin == "tiny, the incumbent (final/0)"
    assert deliver(tiny_study, "tiny:1").origin == "tiny, trial 1 (search/1)"
    assert deliver(tiny_study, "tiny:final/1").called == "incumbent, replicate 1"
