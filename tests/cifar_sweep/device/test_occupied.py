"""Nothing of a run is left on its device, however the run ends, and its errors say what happened."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cifar_sweep import train
from cifar_sweep.device.errors import OutOfMemory
from cifar_sweep.device.occupied import Occupied, occupying
from cifar_sweep.inference.trained import Trained
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.trainer import Trainer
from cifar_sweep.workload import evaluate, predict
from sweeps.runners.protocol import DeviceLoss, End, Job
from sweeps.runners.worker import execute
from sweeps.trial.trial import Status
from sweeps.workload import DeviceLost, Preempted, Run, Site

MakeRecipe = Callable[..., Recipe]
MakeRun = Callable[..., Run]
FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
BROKEN = RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")
ILLEGAL = RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with TORCH_USE_CUDA_DSA")


class Weights:
    """Stands for a tensor: whether it is freed can be seen."""


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[weakref.ref[Any]]]:
    """The trainers and trained networks of a test; the collector of cycles is off, so that only the code frees them."""
    made: list[weakref.ref[Any]] = []
    start, load = Trainer.start.__func__, Trained.load.__func__  # type: ignore[attr-defined]

    def noted(make: Callable[..., Any]) -> Any:
        def make_and_note(*arguments: Any) -> Any:
            made.append(weakref.ref(result := make(*arguments)))
            return result

        return classmethod(make_and_note)

    monkeypatch.setattr(Trainer, "start", noted(start))
    monkeypatch.setattr(Trained, "load", noted(load))
    gc.collect()
    gc.disable()
    yield made
    gc.enable()


def alive(held: list[weakref.ref[Any]]) -> list[bool]:
    return [reference() is not None for reference in held]


def failing(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


def job_of(recipe: Recipe, folder: Path, data_dir: Path) -> Job:
    folder.mkdir(exist_ok=True)
    access = frozenset({"train", "validation"})
    places: dict[str, Any] = {"workload": "cifar_sweep", "data_dir": data_dir, "folder": folder, "access": access}
    return Job("search", 0, recipe.model_dump(mode="json"), seed=1, split_seed=1, **places)


def test_trainer_is_gone_when_what_would_fit_is_measured(
    make_recipe: MakeRecipe, make_run: MakeRun, held: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[bool] = []

    def report(*_: Any) -> str:
        measured.extend(alive(held))
        return "batch_size 16 would fit"

    monkeypatch.setattr(train, "out_of_memory_report", report)
    monkeypatch.setattr(Trainer, "validate", failing(FULL))
    with pytest.raises(OutOfMemory, match=r"^batch_size 16 would fit") as raised:
        list(train.train_network(make_recipe(), make_run()))
    assert measured == [False]
    assert "in run_epoch" in raised.value.__notes__[0]  # where it ran out, for the trial's log


@pytest.mark.parametrize("error", [FULL, BROKEN, ILLEGAL, KeyboardInterrupt(), Preempted()])
def test_trainer_is_gone_while_its_error_is_handled(
    make_recipe: MakeRecipe, make_run: MakeRun, held: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr(Trainer, "validate", failing(error.with_traceback(None)))
    with pytest.raises(BaseException) as raised:  # noqa: PT011  (each of the errors)
        list(train.train_network(make_recipe(), make_run()))
    assert alive(held) == [False]
    assert raised.value is not None


@pytest.mark.parametrize("error", [FULL, BROKEN, ILLEGAL])
def test_worker_holds_nothing_when_a_run_has_ended_early(
    make_recipe: MakeRecipe, tmp_path: Path, data_dir: Path, held: Any, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    monkeypatch.setattr(Trainer, "validate", failing(error.with_traceback(None)))
    for event in execute(job_of(make_recipe(), tmp_path / "run", data_dir)):
        assert isinstance(event, End | DeviceLoss)
        assert alive(held) == [False]


def test_worker_holds_nothing_after_a_pause_and_after_the_end(
    make_recipe: MakeRecipe, tmp_path: Path, data_dir: Path, held: Any
) -> None:
    job = job_of(make_recipe(epochs=2), tmp_path / "run", data_dir)
    for until in (1, None):
        *_, last = execute(Job(**{**job.__dict__, "until": until}))
        assert isinstance(last, End) == (until is None)
        assert not any(alive(held))


def test_worker_holds_nothing_after_a_run_was_pruned(
    make_recipe: MakeRecipe, tmp_path: Path, data_dir: Path, held: Any
) -> None:
    events = execute(job_of(make_recipe(), tmp_path / "run", data_dir))
    next(events)
    assert alive(held) == [True]
    events.close()  # type: ignore[attr-defined]
    assert alive(held) == [False]


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (FULL, End, "OutOfMemory: CUDA out of memory. Tried to allocate 2.00 GiB"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), End, "OutOfMemory: CUDA error: CUBLAS_STATUS_ALLOC_F"),
        (ILLEGAL, DeviceLoss, "DeviceLost: CUDA error: an illegal memory access was encountered"),
    ],
)
def test_evaluation_ends_as_out_of_memory_or_with_a_lost_device(
    make_recipe: MakeRecipe, tmp_path: Path, data_dir: Path, held: Any, monkeypatch: pytest.MonkeyPatch,
    error: Any, kind: type[End | DeviceLoss], reason: str,
) -> None:  # fmt: skip
    job = job_of(make_recipe(epochs=1), tmp_path / "run", data_dir)
    list(execute(job))
    monkeypatch.setattr("cifar_sweep.inference.evaluate.tally_images", failing(error.with_traceback(None)))
    access = frozenset({"train", "validation", "test"})
    (last,) = execute(Job(**{**job.__dict__, "access": access, "evaluate": ()}))
    assert isinstance(last, kind)
    assert last.outcome.reason.startswith(reason)
    assert (last.outcome.status is Status.OUT_OF_MEMORY) == (kind is End)
    assert not any(alive(held))


def test_prediction_leaves_nothing_behind(
    make_recipe: MakeRecipe, make_run: MakeRun, tmp_path: Path, data_dir: Path, held: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    recipe, run = make_recipe(epochs=1), make_run()
    list(train.train_network(recipe, run))
    model = max((run.folder / "checkpoint").glob("*/state.pt")).parent
    monkeypatch.setattr(Trained, "logits", failing(BROKEN.with_traceback(None)))
    np.save(tmp_path / "images.npy", np.zeros((2, 8, 8, 1), np.uint8))
    with pytest.raises(RuntimeError):
        predict(recipe, [model], Site(data_dir, "cpu"), tmp_path / "images.npy", "none")
    assert not any(alive(held))


def test_lost_device_is_no_damaged_checkpoint(
    make_recipe: MakeRecipe, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, run = make_recipe(epochs=1), make_run()
    list(train.train_network(recipe, run))
    again = make_run(folder=run.folder, access=frozenset({"train", "validation", "test"}))
    monkeypatch.setattr(torch, "load", failing(ILLEGAL.with_traceback(None)))
    with pytest.raises(DeviceLost):
        list(evaluate(recipe, again, ()))


def test_cleaning_up_on_a_lost_device_does_not_cover_the_first_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", failing(RuntimeError("CUDA error: misaligned address")))
    with pytest.raises(ValueError, match="the first"), Occupied("cuda"):
        raise ValueError("the first")


def test_memory_of_a_device_is_given_back_after_the_run_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[Weights]] = []
    seen: list[bool] = []

    def work(error: BaseException | None) -> Iterator[int]:
        weights = Weights()
        made.append(weakref.ref(weights))
        yield 1
        if error is not None:
            raise error

    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: seen.append(made[-1]() is not None))
    list(occupying("cuda", work(None)))
    with pytest.raises(RuntimeError):
        list(occupying("cuda", work(BROKEN.with_traceback(None))))
    with pytest.raises(DeviceLost):
        list(occupying("cuda", work(ILLEGAL.with_traceback(None))))
    with pytest.raises(OutOfMemory):
        list(occupying("cuda", work(FULL.with_traceback(None))))
    closed = occupying("cuda", work(None))
    next(closed)
    closed.close()  # type: ignore[attr-defined]
    assert seen
    assert not any(seen)


def test_advice_that_cannot_be_measured_does_not_cover_that_memory_ran_out() -> None:
    def work() -> Iterator[int]:
        yield 1
        raise MemoryError("no room")

    with pytest.raises(OutOfMemory, match=r"^no room; what would fit could not be measured \(KeyError: 'x'\)"):
        list(occupying("cpu", work(), failing(KeyError("x"))))
