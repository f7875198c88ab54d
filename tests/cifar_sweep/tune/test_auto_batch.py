"""`batch_size: auto` is measured in a process of its own, which ends in every case and whose errors are told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import torch

from cifar_sweep.recipe import Recipe
from cifar_sweep.tune.batch_size import auto_batch
from cifar_sweep.tune.batch_size.auto_batch import CODE, RESULT, measure_apart
from cifar_sweep.tune.batch_size.batch import auto_batch_size
from cifar_sweep.workload import prepare
from sweeps.workload import Site, Unavailable


def children() -> list[int]:
    return [child.pid for child in psutil.Process().children()]


@pytest.fixture
def site(data_dir: Path) -> Site:
    return Site(data_dir, "cpu")


def test_size_measured_apart_is_the_one_measured_here(make_recipe: Callable[..., Recipe], site: Site) -> None:
    recipe, before = make_recipe(data__train_limit=72, batch_size="auto"), children()
    assert measure_apart(recipe, site) == auto_batch_size(recipe, site) == 72
    assert children() == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_gpu_that_cannot_be_used_is_told_with_the_way_out_and_not_set_up_here(
    make_recipe: Callable[..., Recipe], data_dir: Path
) -> None:
    with pytest.raises(
        ValueError, match=r"^batch_size is auto but measuring it on cuda failed: .+; give batch_size as"
    ):
        prepare(make_recipe(batch_size="auto"), Site(data_dir, "cuda"))
    assert not torch.cuda.is_initialized()


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ({"missing": "no cifar10 in data"}, Unavailable, "no cifar10 in data"),
        ({"refused": "no batch fits the memory"}, ValueError, "no batch fits the memory"),
        (
            {"error": "RuntimeError: CUDA error: unknown error"},
            ValueError,
            "batch_size is auto but measuring it on cpu failed: RuntimeError: CUDA error: unknown error; "
            "give batch_size as a number",
        ),
    ],
)
def test_error_of_the_process_is_told(
    make_recipe: Callable[..., Recipe],
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    answer: dict[str, str],
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.setattr(auto_batch, "CODE", f"print('noise'); print({RESULT + json.dumps(answer)!r})")
    with pytest.raises(error) as raised:
        measure_apart(make_recipe(), site)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; os.kill(os.getpid(), 9)", "was ended by signal 9"),
        ("import sys; print('noise'); sys.exit('no more')", "ended with status 1: no more"),
    ],
)
def test_process_that_dies_is_told(
    make_recipe: Callable[..., Recipe], site: Site, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    monkeypatch.setattr(auto_batch, "CODE", code)
    with pytest.raises(ValueError, match=f"the process of the measurement {reason}; give batch_size as a number"):
        measure_apart(make_recipe(), site)


def test_process_ends_with_an_interrupted_measurement(
    make_recipe: Callable[..., Recipe], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt = "import os, signal, sys; os.kill(os.getppid(), signal.SIGINT); signal.pause()"
    monkeypatch.setattr(auto_batch, "CODE", interrupt)
    before = children()
    with pytest.raises(KeyboardInterrupt):
        measure_apart(make_recipe(), site)
    assert children() == before


def test_process_ends_with_its_parent(make_recipe: Callable[..., Recipe], data_dir: Path) -> None:
    recipe = make_recipe(batch_size="auto").model_dump(mode="json")
    place = {"data_dir": str(data_dir), "device": "cpu", "runs_dir": None, "share": 1.0}
    request = json.dumps({"recipe": recipe, **place})
    # The end of the input is what a dead parent leaves.
    done = subprocess.run([sys.executable, "-c", CODE, request], stdin=subprocess.DEVNULL, capture_output=True)
    assert (done.returncode, done.stdout) == (1, b"")
