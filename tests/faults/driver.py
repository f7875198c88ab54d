"""Start `python -m sweeps` as a process, read its output, and find all of its descendants."""

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

MARK = "SWEEP_DRIVER"  # an environment variable with a value per driver, which all descendants inherit
TIMEOUT_S = 180.0
EXIT_S = 30.0  # all processes of a killed driver must have ended by then, but for these:
# Ray's two agents, which train nothing, try for 60 s to report their raylet's end to the head that ended with it.
AGENTS, AGENTS_EXIT_S = ("ray::DashboardAgent", "ray::RuntimeEnvAgent"), 100.0


class Driver:
    """`sweep WORDS...` in its own session; its output is appended to `output.txt`. A context manager."""

    def __init__(self, folder: Path, *words: str | Path) -> None:
        self._mark = uuid.uuid4().hex
        self._output = folder / "output.txt"
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._closing = threading.Event()
        self.process = subprocess.Popen(
            command(*words), cwd=folder, env=clean({MARK: self._mark}), start_new_session=True, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def wait_for_line(self, text: str) -> str:
        """Wait for a line of output with `text` and return it. Raises AssertionError if the driver ends without it."""
        line = self._next(text)
        assert line is not None, f"the driver ended without printing {text!r}:\n{self._output.read_text()}"
        return line

    def wait_for_trial(self) -> bool:
        """Wait until a trial starts or continues; return False if the driver ends without one."""
        return self._next(" starts: ", " goes on after ") is not None

    def _next(self, *texts: str) -> str | None:
        deadline = time.monotonic() + TIMEOUT_S
        while (line := self._lines.get(timeout=max(0.0, deadline - time.monotonic()))) is not None:
            if any(text in line for text in texts):
                return line
        return None

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        """Return the exit code, negative for a signal. Raises subprocess.TimeoutExpired."""
        code = self.process.wait(timeout_s)
        self._listener.join(timeout_s)
        return code

    def kill(self) -> int:
        """Kill the driver's process but not its children; return the exit code."""
        self.process.kill()
        return self.wait()

    def kill_after(self, seconds: float) -> int:
        """Let the driver run for `seconds`, then kill it; return the exit code, -9 if it was killed."""
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def close_output(self) -> None:
        """Close the driver's output after the next line, as `| head` does: its writes fail from then on."""
        self._closing.set()

    def processes(self, pattern: str = "") -> list[psutil.Process]:
        """Return the live processes of the driver, orphans included, whose command line contains `pattern`."""
        return [process for process in psutil.process_iter() if self._own(process) and pattern in _name(process)]

    def wait_for_all_processes(self) -> float:
        """Wait for the end of all processes of the driver; return the seconds. Raises AssertionError after `EXIT_S`."""
        began = time.monotonic()
        while alive := self.processes():
            psutil.wait_procs(alive, timeout=1)
            names, waited = [*map(_name, alive)], time.monotonic() - began
            limit = AGENTS_EXIT_S if all(name.startswith(AGENTS) or not name for name in names) else EXIT_S
            assert waited < limit, f"alive {waited:.0f} s after the driver: {names}"
        return time.monotonic() - began

    def __enter__(self) -> Driver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.processes():
            process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _own(self, process: psutil.Process) -> bool:
        try:
            return bool(process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == self._mark)
        except psutil.Error:
            return False

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._output.open("a", encoding="utf-8") as file:
                file.write(line)
            self._lines.put(line)
            if self._closing.is_set():
                self.process.stdout.close()
                break
        self._lines.put(None)


def _name(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()[:3]) or str(process.name())
    except psutil.Error:
        return ""
