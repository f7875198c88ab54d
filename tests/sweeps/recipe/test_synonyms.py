"""Misnamed settings are found by what they mean."""

from __future__ import annotations

import pytest

from sweeps.recipe.keys import unknown_setting
from sweeps.recipe.synonyms import SYNONYMS, _folded, meant
from sweeps.workload import load
from tests.sweeps.validation.blobs import SEARCH, report

KEYS = ("data.name", "aug.mix.width", "aug.mix.depth", "model.widths", "model.blocks", "model.dropout", "optimizer",
        "optimizer.lr", "optimizer.weight_decay", "pretrain.lr", "epochs", "batch_size")  # fmt: skip


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("learning_rate", "optimizer.lr"),
        ("optimizer.learning-rate", "optimizer.lr"),
        ("pretrain.learning_rate", "pretrain.lr"),
        ("lr", "optimizer.lr"),
        ("LR", "optimizer.lr"),
        ("batchsize", "batch_size"),
        ("bs", "batch_size"),
        ("wd", "optimizer.weight_decay"),
        ("num_epochs", "epochs"),
        ("layers", "model.blocks"),
        ("net.width", "model.widths"),
        ("width", "aug.mix.width"),
        ("optim", "optimizer"),
        ("epohcs", ""),
        ("momentum", ""),
    ],
)
def test_synonym_names_the_setting_that_is_meant(key: str, expected: str) -> None:
    assert meant(key, KEYS) == expected


def test_no_name_means_two_things() -> None:
    names = [_folded(name) for group in SYNONYMS for name in group]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    ("key", "expected"),
    [("learning_rate", "optimizer.lr"), ("bs", "batch_size"), ("wd", "optimizer.weight_decay"), ("n_epochs", "epochs")],
)
def test_recipe_of_the_image_workload_is_suggested_by_meaning(key: str, expected: str) -> None:
    rule = unknown_setting(key, load("cifar_sweep").schema.keys)
    assert rule.startswith(f"unknown setting {key!r}; did you mean {expected!r}? valid: ")


def test_study_file_and_options_are_suggested_by_meaning() -> None:
    assert (
        "--set learning_rate: baseline.learning_rate: unknown setting 'learning_rate'; did you mean 'optimizer.lr'?"
        in (report(SEARCH, "learning_rate=1"))
    )
    assert "or the study's 'run_cap'?" in report(SEARCH, "n_trials=3")
    assert "trials: unknown key 'trials'; did you mean 'run_cap'?" in report(f"{SEARCH}trials: 3\n")
    searched = "parameters:\n  batchsize: {values: [1, 2]}\n"
    assert "parameters.batchsize: unknown setting 'batchsize'; did you mean 'batch_size'?" in report(searched)
