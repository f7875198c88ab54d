"""Train copies of a recipe side by side for a moment, each in a process of its own, and measure speed and memory.

A copy's process runs `rehearsal`. It gets one line of JSON on its stdin, prints READY after its first steps, waits for
GO, trains for the given time, and prints RESULT followed by the fields of its `CopyResult` as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from cifar_sweep.recipe import Recipe
from sweeps.workload import Site

TIMEOUT_S = 600.0
READY, GO, RESULT = "ready", "go", "result "


@dataclass(frozen=True)
class CopyResult:
    """What one copy did.

    Attributes:
        losses: The losses of its first steps.
        first_s: Seconds of the first step, which includes capturing or compiling.
        step_s: Seconds per step while it was timed.
        images: Images trained on while it was timed.
        seconds: How long it was timed.
        used_mib: Memory in use in MiB; on a GPU that of all processes on it.
        total_mib: Memory of the device in MiB.
        failure: Why the copy did not run, or not with the execution that its recipe names; empty if it did.
    """

    losses: tuple[float, ...] = ()
    first_s: float = 0.0
    step_s: float = 0.0
    images: int = 0
    seconds: float = 0.0
    used_mib: float = 0.0
    total_mib: float = 0.0
    failure: str = ""


def train_copies(
    recipe: Recipe, site: Site, copies: int, seconds: float, timeout_s: float = TIMEOUT_S
) -> list[CopyResult]:
    """Train copies of a recipe at once, timed from when all of them have taken their first steps.

    Nothing is saved, and the test part is not read.

    Args:
        recipe: The recipe.
        site: The device and the folder of the data.
        copies: Number of copies.
        seconds: How long they are timed.
        timeout_s: When all are killed that have not finished.

    Returns:
        The result of each copy. One that died or was killed says so in its `failure`.
    """
    with tempfile.TemporaryDirectory(prefix="sweep-copies-") as scratch, ExitStack() as started:
        running: list[_CopyProcess] = []
        for number in range(copies):
            running.append(_CopyProcess(recipe, site, seconds, Path(scratch) / str(number)))
            started.callback(running[-1].close)
        # The waits below end when a process dies, so killing them all is enough to end this call in time.
        timer = threading.Timer(timeout_s, _kill, [running])
        started.callback(timer.cancel)
        timer.start()
        if all(copy.wait_until_ready() for copy in running):
            for copy in running:
                copy.go()
        else:
            _kill(running)
        return [copy.result() for copy in running]


def _kill(copies: Sequence[_CopyProcess]) -> None:
    for copy in copies:
        copy.kill()


class _CopyProcess:
    """The parent's side of a copy's process."""

    def __init__(self, recipe: Recipe, site: Site, seconds: float, folder: Path) -> None:
        folder.mkdir()
        self._stderr = folder / "stderr"
        with self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cifar_sweep.tune.rehearsal"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        request = {
            "recipe": recipe.model_dump(mode="json"),
            "device": site.device,
            "data_dir": str(site.data_dir),
            "runs_dir": None if site.runs_dir is None else str(site.runs_dir),
            "seconds": seconds,
            "folder": str(folder),
        }
        self._send(json.dumps(request).encode() + b"\n")

    def wait_until_ready(self) -> bool:
        """Wait for the first steps; return False if the process ends before."""
        return self._line(READY) is not None

    def go(self) -> None:
        """Start the timed steps."""
        self._send(f"{GO}\n".encode())

    def result(self) -> CopyResult:
        """Wait for the result, or for the end of the process."""
        line = self._line(RESULT)
        if line is not None:
            fields = json.loads(line)
            return CopyResult(**{**fields, "losses": tuple(fields["losses"])})
        self.kill()
        lines = [line for line in self._stderr.read_text(errors="replace").splitlines() if line.strip()]
        code = self._process.returncode
        how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
        return CopyResult(failure=f"its process {how}" + (f": {lines[-1]}" if lines else ""))

    def kill(self) -> None:
        """Kill the process and wait for its end."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Kill the process if it still runs, and close its pipes."""
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):  # what it has not read is dropped
                pipe.close()

    def _send(self, content: bytes) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(content)
            stdin.flush()
        except BrokenPipeError:  # the process has died, which `result` reports
            return

    def _line(self, mark: str) -> str | None:
        """Return the rest of the next line that begins with `mark`; None where the process ends before."""
        assert self._process.stdout is not None
        # Other lines are passed over: libraries print to stdout too.
        for line in self._process.stdout:
            text = line.decode(errors="replace").rstrip("\n")
            if text.startswith(mark):
                return text.removeprefix(mark)
        return None
