"""Graph and compiled steps give what eager ones do, and whatever fails goes on eagerly."""

from __future__ import annotations

import math
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cifar_sweep.augment import Mixed
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.execution import Eager, Execution, Guarded
from cifar_sweep.training.graph import Replayed, Result
from cifar_sweep.training.trainer import Trainer
from cifar_sweep.tune.copies import CopyResult, train_copies
from cifar_sweep.tune.execution import Candidate, choose, difference, settle_execution
from cifar_sweep.tune.rehearsal import CHECKED_STEPS, Rehearsal
from cifar_sweep.tune.sharing import SharingMeasurement, gpu_share
from cifar_sweep.workload import prepare
from sweeps.workload import Run, Site

TIMES = {"seconds", "images_per_s"}
PLAIN: dict[str, Any] = {"model__head__dropout": 0.3, "model__stochastic_depth": 0.2}
MIXING: dict[str, Any] = {
    **PLAIN,
    "augment__mix": {"mixup": 0.2, "cutmix": 1.0, "p": 0.5},  # some batches are mixed and some are not
    "regularization__ema": 0.9,
    "regularization__grad_clip": 1.0,
    "regularization__label_smoothing": 0.1,
}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "muon": {"optimizer__name": "muon", "optimizer__lr": 0.02, "regularization__lookahead": {"every": 2}},
    "lion": {"optimizer__name": "lion", "optimizer__lr": 1e-4, "regularization__grad_clip": 1.0},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16", "regularization__grad_clip": 1.0},
    "momentum that varies": {"schedule__name": "onecycle", "schedule__momentum_range": [0.8, 0.95]},
}
THAWING: dict[str, Any] = {
    **PLAIN,
    "transfer__freeze": "body",
    "transfer__unfreeze": [{"epoch": 1, "parameters": ["stages.1.*"]}],
    "optimizer__name": "adamw",
    "optimizer__lr": 0.01,
}


def exact(rows: list[Any]) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


def rehearsed(work: Callable[[], None]) -> Callable[[], None]:
    """As a capture does: the work is done a few times before it counts."""
    for _ in range(3):
        work()
    return work


class Stale:
    """An execution that is wrong: it never looks at another batch than its first."""

    def __init__(self, eager: Eager) -> None:
        self._eager = eager
        self._first: Mixed | None = None

    def __call__(self, mixed: Mixed) -> Result:
        self._first = self._first or mixed
        return self._eager(self._first)

    def begin_epoch(self) -> None:
        """Nothing."""


class Failing:
    """An execution that disturbs batch norm and the random numbers and then fails, with mixed batches or with all."""

    def __init__(self, eager: Eager, mixed_only: bool = False) -> None:
        self._eager = eager
        self._mixed_only = mixed_only

    def __call__(self, mixed: Mixed) -> Result:
        result = self._eager(mixed)
        if self._mixed_only and mixed.share is None:
            return result
        raise RuntimeError("operation not permitted when stream is capturing\nmore lines")

    def begin_epoch(self) -> None:
        """Nothing."""


def figures(recipe: Recipe, run: Run, execution: Callable[[Eager], Execution] | None = None) -> list[dict[str, float]]:
    trainer = Trainer.start(recipe, run)
    if execution is not None:
        trainer.execution = execution(trainer.eager)
    return exact([trainer.run_epoch() for _ in range(recipe.epochs)])


@pytest.mark.parametrize(
    "overrides", [PLAIN, MIXING, THAWING, *OPTIMIZERS.values()], ids=["plain", "mixing", "thawing", *OPTIMIZERS]
)
def test_steps_over_static_buffers_equal_eager_ones_bit_for_bit(make_recipe, make_run, overrides):
    eager = figures(make_recipe(**overrides), make_run())
    assert figures(make_recipe(**overrides, execution="graph"), make_run()) == eager
    assert figures(make_recipe(**overrides), make_run(), lambda plain: Replayed(plain, rehearsed)) == eager


def test_what_is_thawed_is_recorded_anew(make_recipe, make_run):
    made: list[Callable[[], None]] = []

    def record(work: Callable[[], None]) -> Callable[[], None]:
        made.append(work)
        return work

    figures(make_recipe(**THAWING), make_run(), lambda plain: Replayed(plain, record))
    assert len(made) == 2
    figures(make_recipe(**MIXING), make_run(), lambda plain: Replayed(plain, record))
    assert len(made) == 2 + 2  # for batches that are mixed, and for those that are not


def test_run_begun_eagerly_goes_on_from_its_checkpoint_over_static_buffers(make_recipe, make_run, curve, tmp_path):
    whole, folder = curve(make_recipe(**MIXING), make_run()), tmp_path / "resumed"
    first = curve(make_recipe(**MIXING), make_run(folder=folder), stop_after=2)
    resumed = curve(make_recipe(**MIXING, execution="graph"), make_run(folder=folder))
    assert exact([*first[: 3 - len(resumed)], *resumed]) == exact(whole)


@pytest.mark.parametrize("mixed_only", [False, True])
def test_execution_that_fails_goes_on_eagerly_as_if_it_had_not_been_tried(make_recipe, make_run, mixed_only):
    recipe, run = make_recipe(**MIXING), make_run()
    eager = figures(recipe, make_run())

    def guarded(plain: Eager) -> Execution:
        return Guarded("graph", lambda: Failing(plain, mixed_only), plain, run.log)

    assert figures(recipe, run, guarded) == eager
    error = "RuntimeError: operation not permitted when stream is capturing"
    line = f"execution: graph failed, so this run goes on eagerly: {error}\n"
    assert (run.folder / "log.txt").read_text() == line


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
@pytest.mark.parametrize("way", ["compile", "compiled_graph"])
def test_compiled_steps_equal_eager_ones_to_rounding(make_recipe, make_run, way: str):
    recipe = make_recipe(model={"name": "two_layer", "head": {"dropout": 0.3}}, epochs=1)
    (eager,) = figures(recipe, make_run())
    run = make_run()
    (compiled,) = figures(recipe.model_copy(update={"execution": way}), run)
    assert not (run.folder / "log.txt").exists()  # it did not fall back
    assert compiled["train_loss"] == pytest.approx(eager["train_loss"], rel=1e-4)
    assert compiled["val_loss"] == pytest.approx(eager["val_loss"], rel=1e-3)


@pytest.mark.parametrize(("overrides", "recorded"), [(MIXING, True), (OPTIMIZERS["momentum that varies"], False)])
def test_recording_holds_the_whole_step_unless_the_momentum_varies(make_recipe, make_run, overrides, recorded: bool):
    """The weights move within the recorded work, or after it."""
    rehearsal = Rehearsal(trainer := Trainer.start(make_recipe(**overrides), make_run()))
    moved: list[bool] = []

    def record(work: Callable[[], None]) -> Callable[[], None]:
        def watched() -> None:
            before = trainer.network.head.output.weight.clone()
            work()
            moved.append(not torch.equal(before, trainer.network.head.output.weight))

        return watched

    trainer.execution = Replayed(trainer.eager, record)
    for _ in range(2):
        before = trainer.network.head.output.weight.clone()
        rehearsal.step()
        assert not torch.equal(before, trainer.network.head.output.weight)
    assert moved == [recorded] * 2


def test_fp16_resumes_with_the_scale_that_it_had(make_recipe, make_run, curve, tmp_path):
    recipe, folder = make_recipe(precision="fp16", data__train_limit=128), tmp_path / "resumed"
    trainer = Trainer.start(recipe, make_run())
    assert trainer.state_dict()["scaler"]
    whole = curve(recipe, make_run())
    first = curve(recipe, make_run(folder=folder), stop_after=2)
    resumed = curve(recipe, make_run(folder=folder))
    assert exact([*first[: 3 - len(resumed)], *resumed]) == exact(whole)


def test_steps_that_overflow_in_fp16_are_skipped_and_no_divergence(make_recipe, make_run):
    trainer = Trainer.start(make_recipe(precision="fp16", epochs=1), make_run())
    with torch.no_grad():
        trainer.update.scaler.tensors()[0].fill_(2.0**40)  # far beyond the largest fp16
    figures = trainer.run_epoch()
    assert float(trainer.update.scaler.tensors()[0]) < 2.0**40
    assert math.isfinite(figures["train_loss"])
    assert all(torch.isfinite(parameter).all() for parameter in trainer.network.parameters())


class Reads(TorchDispatchMode):
    """Notes every operation that takes a number out of a tensor, for which a GPU would be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.equal.default):
            self.operations.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "overrides",
    [
        MIXING,
        THAWING,
        {"optimizer__name": "muon", "optimizer__lr": 0.02},
        {"augment__erasing": {"value": 0.5}, "augment__rand_augment": {}, "augment__rotation": {"degrees": 15}},
    ],
    ids=["mixing", "thawing", "muon", "operations"],
)
def test_step_reads_no_number_from_a_tensor(make_recipe, make_run, overrides):
    rehearsal = Rehearsal(Trainer.start(make_recipe(**overrides), make_run()))
    rehearsal.step()
    with Reads() as reads:
        rehearsal.step()
        torch.ones(()).item()
    assert reads.operations == ["aten._local_scalar_dense.default"]  # the last line's own


CHOICES = [
    # seconds to set up and per step, by way; steps of a trial; the way that is chosen
    ({"eager": (1, 0.010), "graph": (2, 0.004), "compile": (40, 0.003)}, 10_000, "graph"),
    ({"eager": (1, 0.010), "graph": (2, 0.004), "compile": (40, 0.003)}, 100_000, "compile"),
    ({"eager": (1, 0.010), "graph": (2, 0.004), "compile": (40, 0.003)}, 100, "eager"),
    (
        {"eager": (1, 0.010), "graph": (2, 0.004), "compile": (40, 0.003), "compiled_graph": (41, 0.002)},
        100_000,
        "compiled_graph",
    ),
    ({"eager": (1, 0.010), "graph": (1, 0.0097)}, 10_000, "eager"),  # a gain of 3 % is not told from none
    ({"eager": (1, 0.010), "graph": (1, 0.0093)}, 10_000, "graph"),
    ({"eager": (1, 0.010), "graph": "RuntimeError: no"}, 10_000, "eager"),
]


@pytest.mark.parametrize(("ways", "steps", "expected"), CHOICES)
def test_the_way_with_the_shortest_whole_trial_is_chosen(ways: dict[str, Any], steps: int, expected: str):
    candidates = [
        Candidate(way, reason=outcome)
        if isinstance(outcome, str)
        else Candidate(way, setup_s=outcome[0], step_s=outcome[1])
        for way, outcome in ways.items()
    ]
    choice = choose(candidates, steps)
    assert choice.way == expected
    assert choice.note.startswith(f"execution: auto is {expected}, by a trial of {steps:,} steps: eager ")
    assert all(way in choice.note for way in ways)


def test_auto_is_eager_on_a_cpu_without_a_try(make_recipe, data_dir):
    prepared = prepare(make_recipe(), Site(data_dir, "cpu"))
    assert prepared.settings["execution"] == "eager"
    assert not prepared.notes
    graph = prepare(make_recipe(execution="graph"), Site(data_dir, "cpu"))
    assert graph.settings["execution"] == "eager"
    assert graph.notes == ["execution: graph is eager on a CPU"]
    both = prepare(make_recipe(execution="compiled_graph"), Site(data_dir, "cpu"))
    assert both.settings["execution"] == "compile"


def test_probe_discards_a_way_whose_losses_differ_and_one_that_fails(make_recipe, make_run, data_dir):
    recipe = make_recipe(epochs=1_000_000)  # long enough for any way to pay
    wrong: dict[str, Callable[[Eager], Execution]] = {
        "graph": Stale,
        "compile": lambda plain: Guarded("compile", lambda: Failing(plain), plain, lambda line: None),
    }

    def try_way(way: str) -> CopyResult:
        rehearsal = Rehearsal(Trainer.start(recipe, make_run()))
        if way in wrong:
            rehearsal.trainer.execution = wrong[way](rehearsal.trainer.eager)
        losses, first_s = rehearsal.losses()
        step_s = {"eager": 1.0, "graph": 0.1, "compile": 0.1, "compiled_graph": 1.0}[way]
        return CopyResult(losses, first_s, step_s, failure=rehearsal.failure)

    choice = settle_execution(recipe, Site(data_dir, "cpu"), try_way)
    eager, graph, compiled, _ = choice.candidates
    assert (choice.way, eager.reason) == ("eager", "")
    assert graph.reason.startswith("its losses differ from the eager ones by ")
    assert compiled.reason == "RuntimeError: operation not permitted when stream is capturing"
    assert graph.reason in choice.note
    wrong.clear()
    assert settle_execution(recipe, Site(data_dir, "cpu"), try_way).way == "graph"


@pytest.mark.parametrize(
    ("losses", "apart"),
    [([2.0, 1.0], 0.0), ([2.0, 1.01], 0.01), ([1.0, 1.0], 0.5), ([2.0, math.nan], math.nan)],
)
def test_difference_is_the_largest_share_of_an_eager_loss(losses: list[float], apart: float):
    assert difference(losses, [2.0, 1.0]) == pytest.approx(apart, nan_ok=True)


def on_gpu(*speeds: float, used_mib: float = 1000) -> Callable[[int], SharingMeasurement]:
    """Copies that reach these images per second together, each taking so much of 8,000 MiB; no speed: it fails."""
    return lambda copies: (
        SharingMeasurement(copies, speeds[copies - 1], copies * used_mib, 8000)
        if speeds[copies - 1]
        else SharingMeasurement(copies, 0, 0, 0, "OutOfMemoryError: full")
    )


@pytest.mark.parametrize(
    ("measure", "most", "copies", "reason"),
    [
        (on_gpu(100, 190, 260, 280), 8, 3, "one more gains under 10 %"),
        (on_gpu(100, 105), 8, 1, "one more gains under 10 %"),
        (on_gpu(100, 190, 260), 3, 3, "3 is the most that the cores allow"),
        (on_gpu(100), 1, 1, "1 is the most that the cores allow"),
        (on_gpu(100, 190, 260, used_mib=2300), 8, 3, "6,900 of 8,000 MiB leave no room for another"),
        (on_gpu(100, used_mib=3700), 8, 1, "3,700 of 8,000 MiB leave no room for another"),
        (on_gpu(100, 190, 0), 8, 2, "3 failed: OutOfMemoryError: full"),
        (on_gpu(0), 8, 1, "1 failed: OutOfMemoryError: full"),
    ],
)
def test_copies_are_added_while_they_add(make_recipe, data_dir, measure, most: int, copies: int, reason: str):
    sharing = gpu_share(make_recipe(), Site(data_dir, "cpu"), most, measure)
    assert sharing.copies == copies
    assert sharing.note.endswith(reason)


def test_copies_train_at_once_in_processes_of_their_own(make_recipe, make_run, data_dir: Path):
    recipe = make_recipe(execution="graph")
    results = train_copies(recipe, Site(data_dir, "cpu"), copies=2, seconds=0.2)
    assert [result.failure for result in results] == ["", ""]
    assert all(result.images >= 640 and result.seconds >= 0.2 and result.used_mib > 50 for result in results)
    losses, _ = Rehearsal(Trainer.start(make_recipe(), make_run(seed=0, split_seed=0))).losses()
    assert len(losses) == CHECKED_STEPS
    assert [result.losses for result in results] == [losses, losses]


def test_copy_that_cannot_train_says_why(make_recipe, tmp_path: Path):
    recipe = Recipe.model_validate({"data": {"name": "cifar10"}})
    (result,) = train_copies(recipe, Site(tmp_path, "cpu"), copies=1, seconds=0.1)
    assert "its process ended with status 1" in result.failure
    assert str(tmp_path) in result.failure


def test_interrupted_copies_leave_no_process(make_recipe, data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    def children() -> list[psutil.Process]:
        return list(psutil.Process().children())

    begin, before = subprocess.Popen.__init__, children()

    def second_is_interrupted(process: subprocess.Popen[bytes], *arguments: Any, **options: Any) -> None:
        if children() != before:
            raise KeyboardInterrupt
        begin(process, *arguments, **options)

    monkeypatch.setattr(subprocess.Popen, "__init__", second_is_interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_copies(make_recipe(), Site(data_dir, "cpu"), copies=2, seconds=0.1)
    assert children() == before
