"""Damaged recipes and checkpoints are one clear error, and nothing is overwritten that is not an export."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from sweeps.artifacts.record import read_record, write_record
from sweeps.cli.app import app
from sweeps.io.errors import Refused, UserError

Damage = Callable[[Path], object]


@pytest.fixture
def runs(tiny_study: Path, tmp_path: Path) -> Path:
    """A runs folder that a test may damage, with `x.npz` beside it."""
    shutil.copytree(tiny_study / "tiny", tmp_path / "runs" / "tiny")
    np.savez(tmp_path / "x.npz", data=np.zeros((2, 8, 8), dtype=np.uint8))
    return tmp_path / "runs"


def invoke(runs: Path, tiny_study: Path, *words: str | Path) -> None:
    """Run a command in this process; its error is raised."""
    folders = ("--runs-dir", runs, "--data-dir", tiny_study / "data")
    CliRunner().invoke(app, [*map(str, (*words, *folders))], catch_exceptions=False)


def recipe_with(text: str) -> Damage:
    """Give the trial's recipe more text, and its record the hash of that."""

    def damage(trial: Path) -> None:
        recipe = trial / "recipe.yaml"
        recipe.write_text(recipe.read_text() + text)
        write_record(trial / "record.json", read_record(trial / "record.json"))

    return damage


def another_recipe(text: str) -> Damage:
    def damage(trial: Path) -> None:
        (trial / "recipe.yaml").write_text("")
        recipe_with(text)(trial)

    return damage


def state(change: Callable[[Path], object]) -> Damage:
    """Change the file of the checkpoint, and give the manifest the hash of that."""

    def damage(trial: Path) -> None:
        [checkpoint] = (trial / "checkpoint").iterdir()
        file = checkpoint / "state.pt"
        change(file)
        hashes = {"state.pt": hashlib.sha256(file.read_bytes()).hexdigest()} if file.exists() else {}
        (checkpoint / "manifest.json").write_text(json.dumps({"epoch": int(checkpoint.name), "sha256": hashes}))

    return damage


def saved(content: object) -> Damage:
    return state(lambda file: torch.save(content, file))


def without_checkpoint(name: str) -> Damage:
    return lambda trial: next((trial / "checkpoint").glob(f"*/{name}")).unlink()


NOT_ONE = r"recipe\.yaml is not the recipe of a trial: "
OTHER = r"state\.pt has another network than that of its recipe \("
DAMAGE: dict[str, tuple[Damage, str]] = {
    "recipe with an unknown key": (recipe_with("\nfoo: 1\n"), r"tiny, trial 0 .*: foo: unknown key; restore the file"),
    "recipe without its model": (another_recipe("data: {name: digits}\n"), OTHER),
    "recipe that is no YAML": (another_recipe("a: ["), NOT_ONE + "while parsing"),
    "recipe that is a list": (another_recipe("[1, 2]"), NOT_ONE + "it has a list instead of settings"),
    "recipe that is gone": (lambda trial: (trial / "recipe.yaml").unlink(), r"recipe\.yaml"),
    "checkpoint cut off": (state(lambda file: file.write_bytes(file.read_bytes()[:3000])), r"state\.pt is cut off"),
    "empty checkpoint": (state(lambda file: file.write_bytes(b"")), r"state\.pt is cut off"),
    "checkpoint of noise": (state(lambda file: file.write_bytes(bytes(range(256)))), r"state\.pt is cut off"),
    "checkpoint without its file": (state(Path.unlink), r"state\.pt cannot be read \(No such file or directory\)"),
    "checkpoint that is a list": (saved([1]), OTHER),
    "checkpoint without a network": (saved({"scaling": {}}), OTHER + "'network'"),
    "checkpoint of another network": (saved({"network": {"a": torch.zeros(1)}}), OTHER + "Error.* in loading"),
    "checkpoint without a manifest": (without_checkpoint("manifest.json"), "the trial has no intact checkpoint"),
    "checkpoint that lost its file": (without_checkpoint("state.pt"), "the trial has no intact checkpoint"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("command", ["predict", "export"])
def test_damaged_model_is_one_clear_error(
    runs: Path, tiny_study: Path, tmp_path: Path, command: str, damage: Damage, message: str
) -> None:
    damage(runs / "tiny" / "trials" / "0000")
    words = [tmp_path / "x.npz"] if command == "predict" else []
    with pytest.raises(UserError, match=message):
        invoke(runs, tiny_study, command, "tiny:0", *words, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


@pytest.mark.parametrize("name", ["README.md", "recipe.yaml", "classes.txt", "model.safetensors"])
def test_export_overwrites_nothing_that_is_not_an_export_of_the_model(
    runs: Path, tiny_study: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(Refused, match=f"out has {name}, which no export of this model wrote; choose another folder"):
        invoke(runs, tiny_study, "export", "tiny:0", "--out", tmp_path / "out")
    assert [file.read_text() for file in (tmp_path / "out").iterdir()] == ["mine"]


def test_export_replaces_an_export_of_the_same_model_only(runs: Path, tiny_study: Path, tmp_path: Path) -> None:
    for _ in range(2):
        invoke(runs, tiny_study, "export", "tiny:0", "--out", tmp_path / "out")
    with pytest.raises(Refused, match=r"README\.md, classes\.txt, model\.safetensors, recipe\.yaml, which no export"):
        invoke(runs, tiny_study, "export", "tiny:1", "--out", tmp_path / "out")


def test_export_into_a_file_is_refused(runs: Path, tiny_study: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"x\.npz is not a writable folder; choose another place"):
        invoke(runs, tiny_study, "export", "tiny:0", "--out", tmp_path / "x.npz")


@pytest.mark.parametrize(("out", "rule"), [("x.npz", "would replace the examples"), ("runs", "is a folder")])
def test_predictions_replace_neither_the_examples_nor_a_folder(
    runs: Path, tiny_study: Path, tmp_path: Path, out: str, rule: str
) -> None:
    folders = ("--runs-dir", runs, "--data-dir", tiny_study / "data")
    words = ("predict", "tiny:0", tmp_path / "x.npz", "--out", tmp_path / out, *folders)
    done = CliRunner().invoke(app, [*map(str, words)])
    assert (done.exit_code, rule in " ".join(done.output.replace("│", " ").split())) == (2, True)
