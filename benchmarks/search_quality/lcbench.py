"""LCBench's tasks, answered by YAHPO Gym's surrogate model for any configuration, not only for those of a table.

Zimmer, Lindauer and Hutter, "Auto-PyTorch Tabular" (2021), for LCBench; Pfisterer et al., "YAHPO Gym" (2022), for the
model. The model gives the validation accuracy and the seconds since the start for an epoch from 1 to 52; the first is
before any training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.search_quality.problems import Parameters, Train, Training
from benchmarks.search_quality.tables import LONGEST
from sweeps.space.space import Numeric, Space

MODEL, ENCODING = "lcbench.onnx", "lcbench_encoding.json"

TASKS = {
    "APSFailure": "168868",
    "FashionMNIST": "189908",
    "MiniBooNE": "168335",
    "airlines": "189354",
    "amazon": "34539",
    "christine": "168908",
    "credit-g": "167161",
    "helena": "168329",
    "jannis": "168330",
    "jungle": "189909",
    "shuttle": "146212",
    "vehicle": "167168",
}
"""The OpenML task of each problem."""

SETTINGS = ("batch_size", "learning_rate", "momentum", "weight_decay", "num_layers", "max_units", "max_dropout")
EPOCHS = np.round(np.linspace(50 / LONGEST, 50, LONGEST)).astype(int) + 1
UNIFORM, LOCAL, TOP = 20_000, 2_000, 40  # configurations that the search for the best one tries
SCALES = (0.1, 0.05, 0.02)
SHORTEST_S = 1e-3


class Surrogate:
    """The model of all tasks.

    Args:
        folder: Where `lcbench.onnx` and its encoding lie.
    """

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(folder / MODEL), options, providers=["CPUExecutionProvider"])
        self._task, self._configuration = (item.name for item in self._session.get_inputs())
        self.codes: Mapping[str, int] = json.loads((folder / ENCODING).read_text())["OpenML_task_id"]
        self.version = hashlib.sha256((folder / MODEL).read_bytes()).hexdigest()[:16]

    def answer(self, code: int, epochs: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return the model's outputs: the seconds, the accuracy in %, and others.

        Args:
            code: The model's number for the task.
            epochs: An epoch for each row of `points`, shape (n,).
            points: Configurations in [0, 1], shape (n, 7).
        """
        configurations = np.concatenate([epochs[:, None], natural(points)], axis=1).astype(np.float32)
        task = np.full((len(points), 1), code, np.int32)
        return self._session.run(None, {self._task: task, self._configuration: configurations})[0]


def natural(points: np.ndarray) -> np.ndarray:
    """Return configurations in their units, in the order of `SETTINGS`; `points` are in [0, 1], shape (n, 7)."""
    batch, rate, momentum, decay, layers, units, dropout = points.T
    columns = [
        np.round(_log(batch, 16, 512)),
        _log(rate, 1e-4, 1e-1),
        0.1 + momentum * 0.89,
        1e-5 + decay * (1e-1 - 1e-5),
        np.round(1 + layers * 4),
        np.round(_log(units, 64, 1024)),
        dropout,
    ]
    return np.stack(columns, axis=1)


def _log(unit: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.exp(np.log(low) + unit * (np.log(high) - np.log(low)))


class LcBench:
    """One task as a problem.

    Args:
        surrogate: The model.
        task: A key of `TASKS`.
        constants: What `constants_of` returned before for the same model and task; None: computed now.
    """

    epochs = LONGEST

    def __init__(self, surrogate: Surrogate, task: str, constants: Mapping[str, float] | None = None) -> None:
        self.name, self.version = f"lcbench_{task}", surrogate.version
        self.space = Space(tuple(Numeric(key=key, low=0.0, high=1.0) for key in SETTINGS))
        self._surrogate, self._code = surrogate, surrogate.codes[TASKS[task]]
        self.constants = dict(constants or self._measure())
        self.best, self.median = self.constants["best"], self.constants["median"]
        self.full_seconds = self.constants["full_seconds"]

    def search(self) -> Train:
        """Return `train`: any configuration is answered, also twice."""
        return self.train

    def train(self, parameters: Parameters) -> Training:
        """Return what the model says of a configuration."""
        point = np.array([[parameters[key] for key in SETTINGS]], dtype=float)
        curves, seconds = self._curves(point)
        return Training(parameters, curves[0], float(seconds[0]))

    def _curves(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return curves of shape (n, epochs) and the seconds of an epoch, shape (n,)."""
        count = len(points)
        answers = self._surrogate.answer(self._code, np.repeat(EPOCHS, count), np.tile(points, (self.epochs, 1)))
        answers = answers.reshape(self.epochs, count, -1)
        seconds = (answers[-1, :, 0] - answers[0, :, 0]) / (self.epochs - 1)
        return answers[:, :, 1].T, np.maximum(seconds, SHORTEST_S)

    def _last(self, points: np.ndarray) -> np.ndarray:
        return self._surrogate.answer(self._code, np.full(len(points), EPOCHS[-1]), points)[:, 1]

    def _measure(self) -> dict[str, float]:
        """Return the median of uniform configurations, the best of a random and then local search, and the mean cost.

        The best is a bound from below of the true one. It is the same at every call.
        """
        rng = np.random.default_rng(7)
        points = rng.random((UNIFORM, len(SETTINGS)))
        last = self._last(points)
        median = float(np.median(last))
        for scale in SCALES:
            top = np.repeat(points[np.argsort(-last)[:TOP]], LOCAL // TOP, axis=0)
            near = np.clip(top + scale * rng.standard_normal(top.shape), 0, 1)
            points, last = np.concatenate([points, near]), np.concatenate([last, self._last(near)])
        _, seconds = self._curves(rng.random((LOCAL, len(SETTINGS))))
        return {"best": float(last.max()), "median": median, "full_seconds": float(self.epochs * seconds.mean())}


def read_lcbench(folder: Path, cache: Path | None = None) -> Sequence[LcBench]:
    """Return all tasks if the model lies in `folder`, else none. `cache` is a file for their optima."""
    if not (folder / MODEL).exists() or not (folder / ENCODING).exists():
        return []
    surrogate = Surrogate(folder)
    known = json.loads(cache.read_text()) if cache is not None and cache.exists() else {}
    constants = known.get(surrogate.version, {})
    problems = [LcBench(surrogate, task, constants.get(task)) for task in TASKS]
    computed = {task: problem.constants for task, problem in zip(TASKS, problems, strict=True)}
    if cache is not None and computed != constants:
        cache.write_text(json.dumps({surrogate.version: computed}, indent=1) + "\n")
    return problems
