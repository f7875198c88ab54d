"""A study of real training through Ray, in a folder of its own: two workers, small nets, handwritten digits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.faults.audit import Audit, Tally
from tests.faults.driver import Driver
from tests.sweeps.support import clean

WORKERS = 2
DIGITS: dict[str, Any] = {
    "name": "digits",
    "question": "Is anything lost?",
    "workload": "tests.faults.witnessed.digits",
    "baseline": {
        "data": {"name": "digits", "validation": 400},
        "augment": {"crop": 1, "flip": False},
        "model": {"name": "resnet", "blocks": [1], "widths": [8], "strides": [1]},
        "optimizer": {"name": "sgd", "lr": 0.05},
        "epochs": 4,
        "batch_size": 128,
    },
    "method": "random",
    "metric": {"name": "val_accuracy", "goal": "maximize"},
    "run_cap": 4,
    "parameters": {"optimizer.lr": {"distribution": "log_uniform_values", "min": 0.003, "max": 1.0}},
    "early_terminate": {"type": "asha", "min_iter": 1, "eta": 2},
    "ablation": {"baseline": "given", "components": ["batch_norm"], "seeds": 2},
}


class RayStudy:
    """The study and its drivers."""

    def __init__(self, folder: Path, seed: int, tally: Tally, **settings: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({**DIGITS, "seed": seed, **settings}, indent=1)
        (folder / "digits.yaml").write_text(text, encoding="utf-8")
        self.audit = Audit(folder, "digits", tally, workers=WORKERS)

    def start(self) -> Driver:
        """A driver that runs the study or goes on with it."""
        words = ("run", "digits.yaml", "--data-dir", "data", "--workers", str(WORKERS))
        return Driver(self.audit.folder, *words)

    def conclude(self, inside: int = 0) -> None:
        """Judge the study that a driver has brought to its end: every trial is trained once more, without a break."""
        self.audit.conclude(inside)
        folder = self.audit.folder
        words = [sys.executable, "-m", "tests.faults.unbroken", "runs", "digits", "cifar_sweep", "data"]
        done = subprocess.run(words, cwd=folder, env=clean({}), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == []
