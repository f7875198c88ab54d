"""Exported models: loaded again by what reads such files, they give the logits of the network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner, Result

from cifar_sweep.data.cache import load_images
from cifar_sweep.inference import export as exporting
from cifar_sweep.inference.export import load_exported
from cifar_sweep.inference.export_formats import FORMATS, Format
from cifar_sweep.inference.trained import Trained
from cifar_sweep.recipe import Recipe
from sweeps.cli.app import app
from sweeps.io.errors import UserError
from sweeps.models.trained import TrainedModels, deliver


def export(tiny_study: Path, out: Path, form: str) -> Result:
    words = ["export", "tiny", "--format", form, "--out", out, "--data-dir", tiny_study / "data"]
    return CliRunner().invoke(app, [*map(str, (*words, "--runs-dir", tiny_study))], catch_exceptions=False)


def by_hand(folder: Path, form: str, images: Tensor) -> Tensor:
    """The logits of what was exported, as the card says to compute them."""
    if form == "safetensors":
        logits: Tensor = load_exported(folder)(images)
    elif form == "torchscript":
        logits = torch.jit.load(str(folder / "model.ts"))(images)
    elif form == "torch.export":
        logits = torch.export.load(folder / "model.pt2").module()(images)
    else:
        import onnxruntime

        session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
        logits = torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])
    return logits


@pytest.mark.parametrize("form", FORMATS)
def test_the_exported_model_gives_the_logits_of_the_trained_one(tiny_study: Path, tmp_path: Path, form: str) -> None:
    for module in FORMATS[form].modules:
        pytest.importorskip(module)
    done = export(tiny_study, tmp_path / "out", form)
    assert "it gives the same logits" in done.stdout
    trained = deliver(tiny_study, "tiny")
    recipe = Recipe.model_validate(trained.settings)
    pixels = torch.from_numpy(load_images(recipe.data, tiny_study / "data", "test").pixels[:7])
    expected = Trained.load(recipe, trained.folders[0], torch.device("cpu")).logits(pixels)
    with torch.no_grad():
        logits = by_hand(tmp_path / "out", form, pixels.permute(0, 3, 1, 2).float() / 255)
    assert torch.allclose(logits, expected, atol=1e-4)
    _check_card(tmp_path / "out", form, trained)


def _check_card(folder: Path, form: str, trained: TrainedModels) -> None:
    card = (folder / "README.md").read_text(encoding="utf-8")
    fingerprint = trained.results.environment["data"]["fingerprint"]
    for part in ("Which learning rate", "final/0", FORMATS[form].example, "| test | accuracy |", fingerprint, "Input:"):
        assert part in card
    assert (folder / "classes.txt").read_text(encoding="utf-8").splitlines() == list("0123456789")
    assert not [path for path in folder.iterdir() if not path.stat().st_mode & 0o004]


def test_a_file_that_gives_other_logits_is_refused_and_removed(
    tiny_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = exporting.Deployed.forward
    monkeypatch.setattr(exporting.Deployed, "forward", lambda self, images: whole(self, images) + 0.01)
    with pytest.raises(UserError, match=r"torchscript: loaded again, its logits differ by 0\.01, more than"):
        export(tiny_study, tmp_path, "torchscript")
    assert not list(tmp_path.iterdir())


def test_an_unknown_format_is_refused_with_those_there_are(tiny_study: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"the format must be safetensors, onnx, torchscript, torch\.export but is 'h5'"
    ):
        export(tiny_study, tmp_path, "h5")


def test_a_missing_library_is_named_with_the_command_that_installs_it(
    tiny_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FORMATS, "rare", Format(".x", ("no_such_library",), *[None] * 3))  # type: ignore[misc]
    with pytest.raises(UserError, match=r"rare needs the package no_such_library.*pip install 'cifar-sweep\[export\]'"):
        export(tiny_study, tmp_path, "rare")


def test_without_the_data_random_images_are_compared(tiny_study: Path, tmp_path: Path) -> None:
    trained = deliver(tiny_study, "tiny")
    settings = {
        **trained.settings,
        "data": {"name": "npz", "path": "gone.npz", "size": 8, "channels": 1, "classes": 10},
    }
    from cifar_sweep import workload
    from sweeps.workload import Site

    site = Site(tmp_path, "cpu")
    done = workload.export(Recipe.model_validate(settings), trained.folders[0], site, "torchscript", tmp_path)
    assert done.difference <= done.tolerance
    assert list(done.names) == list("0123456789")
