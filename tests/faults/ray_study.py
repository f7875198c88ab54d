"""A study that trains small networks on scikit-learn's digits through Ray, with two workers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.faults.audit import Audit, Tally
from tests.faults.driver import Driver
from tests.faults.studies import EACH, SELDOM
from tests.sweeps.support import clean

WORKERS = 2
DIGITS: dict[str, Any] = {
    "name": "digits",
    "question": "Is anything lost?",
    "workload": "tests.faults.logged_workloads.digits",
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
    """The study in its own folder, run by `Driver`. It saves each epoch, or with an odd seed at most every 30 s."""

    def __init__(self, folder: Path, seed: int, tally: Tally, **settings: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        saving = SELDOM if seed % 2 else EACH
        text = json.dumps({**DIGITS, "seed": seed, **saving.settings, **settings}, indent=1)
        (folder / "digits.yaml").write_text(text, encoding="utf-8")
        self.audit = Audit(folder, "digits", tally, workers=WORKERS, repeats=saving.repeats)

    def start(self) -> Driver:
        """Start a driver that runs or resumes the study."""
        words = ("run", "digits.yaml", "--data-dir", "data", "--workers", str(WORKERS))
        return Driver(self.audit.folder, *words)

    def check_complete(self, other_kills: int = 0) -> None:
        """Check a completed study, and train all of its trials again for comparison."""
        self.audit.check_complete(other_kills)
        folder = self.audit.folder
        words = [sys.executable, "-m", "tests.faults.retraining", "runs", "digits", "cifar_sweep", "data"]
        done = subprocess.run(words, cwd=folder, env=clean({}), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == []
