"""Missing data at a resume is an error before anything starts; with the data back, the study resumes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweeps.engine.launch import Folders, Options, RunResult, launch
from sweeps.io.errors import Unavailable
from sweeps.study.document import from_text
from sweeps.validation.checks import accept

STUDY: dict[str, Any] = {
    "name": "own",
    "question": "Does it resume?",
    "workload": "cifar_sweep",
    "baseline": {
        "data": {"name": "npz", "path": "images.npz", "classes": 2, "size": 8, "channels": 3, "validation": 16},
        "model": {"blocks": [1], "widths": [4], "strides": [1]},
        "epochs": 1,
        "batch_size": 16,
    },
    "method": "random",
    "metric": {"name": "val_accuracy", "goal": "maximize"},
    "parameters": {"optimizer.lr": {"min": 0.01, "max": 0.1}},
}


def make_images(path: Path) -> None:
    generator = np.random.default_rng(0)
    parts = {}
    for part, count in (("train", 64), ("test", 16)):
        parts[f"x_{part}"] = generator.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
        parts[f"y_{part}"] = np.arange(count) % 2
    path.parent.mkdir(exist_ok=True)
    np.savez(path, **parts)


def run(folder: Path, run_cap: int) -> RunResult:
    study, workload = accept(from_text(json.dumps({**STUDY, "run_cap": run_cap}), "own.yaml"))
    options = Options(Folders(folder / "runs", folder / "reports", folder / "data"), "inline", quiet=True)
    return launch(study, workload, options)


def test_missing_data_is_named_before_anything_starts(tmp_path: Path) -> None:
    images = tmp_path / "data" / "images.npz"
    make_images(images)
    first = run(tmp_path, 1).results
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "runs").rglob("record.json"))
    images.rename(tmp_path / "elsewhere.npz")
    with pytest.raises(Unavailable, match=r"images\.npz"):
        run(tmp_path, 2)
    assert sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "runs").rglob("record.json")) == before
    (tmp_path / "elsewhere.npz").rename(images)
    last = run(tmp_path, 2).results
    assert last.trials[:1] == first.trials
    assert last.counted == 2
