"""A driver as a person starts it, `python -m sweeps run`, and the processes that it brings with it."""

from __future__ import annotations

import queue
import signal
import subprocess
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType

import psutil  # type: ignore[import-untyped]

from tests.sweeps.support import clean, command

MARK = "SWEEP_DRIVER"  # an environment variable that children inherit, unique to each driver
PATIENCE_S = 180.0
GONE_S = 30.0  # within which nothing of a killed driver may be left


class Driver:
    """`sweep WORDS...` in a session of its own; what it says is also appended to `said.txt`. A context manager."""

    def __init__(self, folder: Path, *words: str | Path) -> None:
        self._mark = uuid.uuid4().hex
        self._said = folder / "said.txt"
        self._lines: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            command(*words), cwd=folder, env=clean({MARK: self._mark}), start_new_session=True, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def heard(self, text: str) -> str:
        """Wait for a line with `text`; the line. Raises AssertionError when the driver ends without it."""
        line = self._next(text)
        assert line is not None, f"the driver ended without saying {text!r}:\n{self._said.read_text()}"
        return line

    def works(self) -> bool:
        """Wait until a trial starts or goes on; False when the driver ends without one."""
        return self._next(" starts: ", " goes on after ") is not None

    def _next(self, *texts: str) -> str | None:
        deadline = time.monotonic() + PATIENCE_S
        while (line := self._lines.get(timeout=max(0.0, deadline - time.monotonic()))) is not None:
            if any(text in line for text in texts):
                return line
        return None

    def ended(self, patience_s: float = PATIENCE_S) -> int:
        """The exit code, negative for a signal. Raises subprocess.TimeoutExpired."""
        code = self.process.wait(patience_s)
        self._listener.join(patience_s)
        return code

    def kill(self) -> int:
        """Kill the driver's own process, nothing else; its exit code."""
        self.process.kill()
        return self.ended()

    def killed_after(self, seconds: float) -> int:
        """Let the driver run for that long, then kill it; its exit code, -9 where it was killed."""
        try:
            return self.ended(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def processes(self, named: str = "") -> list[psutil.Process]:
        """The driver and all that has come from it, alive, whoever is their parent now; those called `named`."""
        return [each for each in psutil.process_iter() if self._own(each) and named in _name(each)]

    def gone(self) -> float:
        """The seconds until nothing of the driver is left. Raises AssertionError after `GONE_S`."""
        began = time.monotonic()
        while left := self.processes():
            psutil.wait_procs(left, timeout=1)
            assert time.monotonic() - began < GONE_S, f"left {GONE_S:g} s after the driver: {[*map(_name, left)]}"
        return time.monotonic() - began

    def __enter__(self) -> Driver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for left in self.processes():
            left.send_signal(signal.SIGKILL)
        self.process.wait()

    def _own(self, process: psutil.Process) -> bool:
        try:
            return bool(process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == self._mark)
        except psutil.Error:
            return False

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._said.open("a", encoding="utf-8") as file:
                file.write(line)
            self._lines.put(line)
        self._lines.put(None)


def _name(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()[:3]) or str(process.name())
    except psutil.Error:
        return ""
