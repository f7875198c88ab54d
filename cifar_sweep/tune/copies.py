"""Copies of a recipe training side by side for a moment, each in a process of its own: how fast, and in what memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import torch

from cifar_sweep.optim import follow
from cifar_sweep.recipe import Recipe
from cifar_sweep.training.execution import Guarded
from cifar_sweep.training.trainer import Trainer
from cifar_sweep.tune.memory import MIB, peak_and_total_mib
from cifar_sweep.tune.rate import batches
from sweeps.workload import Run, Site

CHECKED = 8  # steps whose losses are told, before any is timed
BLOCK = 10  # steps between two looks at the clock, which make a GPU wait
TIMEOUT_S = 600.0
READY, GO, TOLD = "ready", "go", "told "


@dataclass(frozen=True)
class Lap:
    """What one copy did: the `losses` of its first steps, and then `images` in `seconds` at `step_s` per step.

    `first_s` is what the first step took: capturing or compiling is in it. `used_mib` is the memory in use, on a GPU by
    everything that is on it, `total_mib` what there is. `failure` says why the copy did not run, or not as asked.
    """

    losses: tuple[float, ...] = ()
    first_s: float = 0.0
    step_s: float = 0.0
    images: int = 0
    seconds: float = 0.0
    used_mib: float = 0.0
    total_mib: float = 0.0
    failure: str = ""


def together(recipe: Recipe, site: Site, copies: int, seconds: float, timeout_s: float = TIMEOUT_S) -> list[Lap]:
    """Train `copies` of `recipe` at once for `seconds`, when all have taken their first steps; a lap for each.

    The test part stays closed, and nothing is kept. A copy that dies, or is not done after `timeout_s`, says so in its
    `failure`.
    """
    with tempfile.TemporaryDirectory(prefix="sweep-copies-") as scratch:
        running = [_Copy(recipe, site, seconds, Path(scratch) / str(number)) for number in range(copies)]
        overdue = threading.Timer(timeout_s, _kill, [running])
        overdue.start()
        try:
            if all(each.ready() for each in running):
                for each in running:
                    each.go()
            else:
                _kill(running)
            return [each.lap() for each in running]
        finally:
            overdue.cancel()
            _kill(running)


def _kill(copies: Sequence[_Copy]) -> None:
    for each in copies:
        each.kill()


class _Copy:
    """The parent's side of one process."""

    def __init__(self, recipe: Recipe, site: Site, seconds: float, folder: Path) -> None:
        folder.mkdir()
        self._errors = folder / "stderr"
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cifar_sweep.tune.copies"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        places = {"data_dir": str(site.data_dir), "runs_dir": None if site.runs_dir is None else str(site.runs_dir)}
        asked = {"recipe": recipe.model_dump(mode="json"), "device": site.device, **places}
        self._send(json.dumps({**asked, "seconds": seconds, "folder": str(folder)}).encode() + b"\n")

    def ready(self) -> bool:
        """Wait for the first steps."""
        return self._line(READY) is not None

    def go(self) -> None:
        """Let the timed steps begin."""
        self._send(f"{GO}\n".encode())

    def lap(self) -> Lap:
        """Wait for the end."""
        told = self._line(TOLD)
        if told is not None:
            lap = json.loads(told)
            return Lap(**{**lap, "losses": tuple(lap["losses"])})
        self.kill()
        lines = [line for line in self._errors.read_text(errors="replace").splitlines() if line.strip()]
        code = self._process.returncode
        how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
        return Lap(failure=f"its process {how}" + (f": {lines[-1]}" if lines else ""))

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()

    def _send(self, content: bytes) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(content)
            stdin.flush()
        except BrokenPipeError:  # it is dead, which `lap` tells
            return

    def _line(self, mark: str) -> str | None:
        """The rest of the next line that begins with `mark`; None when the process has ended before."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            text = line.decode(errors="replace").rstrip("\n")
            if text.startswith(mark):
                return text.removeprefix(mark)
        return None


@dataclass
class Rehearsal:
    """Steps of a trainer on the batches that a run of the seed 0 would train on, not counted into any epoch."""

    trainer: Trainer
    done: int = 0

    @classmethod
    def of(cls, recipe: Recipe, site: Site, folder: Path) -> Rehearsal:
        """Before the first step; `folder` takes the run's log. Raises as training does."""
        run = Run(
            seed=0,
            split_seed=0,
            device=site.device,
            data_dir=site.data_dir,
            folder=folder,
            runs_dir=site.runs_dir,
        )
        return cls(Trainer.start(recipe, run))

    def __post_init__(self) -> None:
        self._batches = batches(self.trainer.recipe, self.trainer.images, self.trainer.seed)
        self._steps = len(self.trainer.images.train) // self.trainer.recipe.images_per_step
        self.trainer.begin_epoch()

    def step(self) -> torch.Tensor:
        """One step; its loss, which later steps may overwrite."""
        recipe, total = self.trainer.recipe, self._steps * self.trainer.recipe.epochs
        at = min(self.done, total - 1)
        follow(recipe.schedule, self.trainer.optimizer, recipe.optimizer.lr, at, self._steps, recipe.epochs)
        self.done += 1
        return self.trainer.learn(next(self._batches))[0]

    def losses(self) -> tuple[tuple[float, ...], float]:
        """The losses of the first steps, and what the first one took, in seconds."""
        started = time.perf_counter()
        first = self.step().item()
        first_s = time.perf_counter() - started
        return (first, *(self.step().item() for _ in range(CHECKED - 1))), first_s

    def timed(self, seconds: float) -> tuple[int, float]:
        """Train until so many seconds have passed; the steps taken, and the seconds."""
        started, steps = time.perf_counter(), 0
        while True:
            for _ in range(BLOCK):
                self.step()
            steps += BLOCK
            if self.trainer.device.type == "cuda":
                torch.cuda.synchronize()
            if (took := time.perf_counter() - started) >= seconds:
                return steps, took

    @property
    def failure(self) -> str:
        """Why it does not run as the recipe asks, if so."""
        execution = self.trainer.execution
        return execution.failure if isinstance(execution, Guarded) else ""


def lap_of(rehearsal: Rehearsal, losses: Sequence[float], first_s: float, seconds: float) -> Lap:
    """The rest of a lap whose first steps are done."""
    steps, took = rehearsal.timed(seconds)
    used, total = _memory_mib(rehearsal.trainer.device)
    images = steps * rehearsal.trainer.recipe.images_per_step
    return Lap(tuple(losses), first_s, took / steps, images, took, used, total, rehearsal.failure)


def _memory_mib(device: torch.device) -> tuple[float, float]:
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)  # what the contexts of all processes take is in it
        return (total - free) / MIB, total / MIB
    return peak_and_total_mib(device)


def _main(stdin: IO[bytes], stdout: IO[str]) -> None:
    asked: dict[str, Any] = json.loads(stdin.readline())
    runs_dir = None if asked["runs_dir"] is None else Path(asked["runs_dir"])
    site = Site(Path(asked["data_dir"]), asked["device"], runs_dir)
    if site.device == "cpu":
        torch.set_num_threads(1)
    rehearsal = Rehearsal.of(Recipe.model_validate(asked["recipe"]), site, Path(asked["folder"]))
    losses, first_s = rehearsal.losses()
    stdout.write(f"\n{READY}\n")
    stdout.flush()
    if stdin.readline().decode().strip() == GO:
        stdout.write(f"\n{TOLD}{json.dumps(asdict(lap_of(rehearsal, losses, first_s, asked['seconds'])))}\n")
        stdout.flush()


if __name__ == "__main__":
    _main(sys.stdin.buffer, sys.stdout)
