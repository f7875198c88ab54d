"""A fork server: a process that has imported everything forks drivers on request, so that a start costs no imports.

Each driver is a child in its own session that runs `sweep WORDS...` as the command line does. The server forks while it
has one thread and no database connection. Faults in what a fresh interpreter does before `main` are not covered.

`ForkServer` is the client and `main` the server; they exchange lines of JSON.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil  # type: ignore[import-untyped]

from tests.faults import kill_points
from tests.faults.kill_points import KillPoint
from tests.faults.studies import study_text
from tests.sweeps.support import ROOT, clean

READY_S = 120.0
OUTPUT = "output.txt"
# pandas imports pyarrow, whose allocator would start a thread; a process with threads cannot be forked safely.
ENVIRONMENT = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}


class ForkServer:
    """The client of the fork server. A context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.fork_server"],
            cwd=ROOT, env=clean(ENVIRONMENT), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._reply(READY_S)

    def start(self, folder: Path, *words: str | Path, kill_point: KillPoint | None = None) -> ForkedDriver:
        """Fork a driver in `folder`; its output is appended to `output.txt` there."""
        request = {"folder": str(folder), "words": [*map(str, words)], "kill_point": kill_point and asdict(kill_point)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return ForkedDriver(self._reply(READY_S)["pid"], self._reply)

    def close(self) -> None:
        """End the server."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(READY_S)

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _reply(self, timeout_s: float) -> dict[str, Any]:
        """Return the server's next reply. Raises TimeoutError."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], timeout_s)[0]:
            raise TimeoutError(f"no reply for {timeout_s:g} s")
        line = self._process.stdout.readline()
        assert line, "the fork server has ended"
        return dict(json.loads(line))


@dataclass(frozen=True)
class ForkedDriver:
    """A forked driver, leader of its process group."""

    pid: int
    _reply: Callable[[float], dict[str, Any]]

    def kill_after(self, seconds: float) -> int:
        """Let the driver run for `seconds`, then kill its group; return the exit code, -9 if it was killed."""
        try:
            return self.wait(seconds)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.killpg(self.pid, signal.SIGKILL)
            return self.wait()

    def wait(self, timeout_s: float = READY_S) -> int:
        """Return the exit code, negative for a signal. Raises TimeoutError."""
        return int(self._reply(timeout_s)["code"])


def main() -> None:
    """Serve requests until the client closes the pipe."""
    _warm_up()
    gc.collect()
    gc.freeze()
    _send({"ready": os.getpid()})
    for line in iter(sys.stdin.buffer.readline, b""):
        request = json.loads(line)
        _require_forkable()
        pid = _fork(partial(_drive, request))
        _send({"pid": pid})
        _send({"code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])})


def _warm_up() -> None:
    """Run a small study in this process, so that drivers inherit everything imported and compiled."""
    here, descriptors = Path.cwd(), [os.dup(descriptor) for descriptor in range(3)]
    with tempfile.TemporaryDirectory(prefix="warm-up-") as folder:
        (Path(folder) / "warm-up.yaml").write_text(study_text(name="warm-up"))
        words = ["run", "warm-up.yaml", "--runner", "inline", "--data-dir", "data"]
        code = _drive({"folder": folder, "words": words, "kill_point": None})
        assert code == 0, (Path(folder) / OUTPUT).read_text()
        os.chdir(here)
    for descriptor, saved in enumerate(descriptors):
        os.dup2(saved, descriptor)
        os.close(saved)


def _require_forkable() -> None:
    """Check that there is one thread and no open file: a forked child loses threads and shares connections."""
    process = psutil.Process()
    assert process.num_threads() == 1, process.threads()
    assert not [file.path for file in process.open_files() if file.fd > 2]


def _fork(work: Callable[[], int]) -> int:
    """Fork a child that leads its own session and calls `work`; return its process id."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.setsid()
            os.close(reading)
            os.close(writing)
            code = work()
        except BaseException:  # noqa: BLE001  (a forked child must never return into its parent's code)
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    os.read(reading, 1)  # returns at the end of the pipe, when the child has its session
    os.close(reading)
    return pid


def _drive(request: Mapping[str, Any]) -> int:
    """Run the command line in this process."""
    from sweeps.cli import main as sweep

    os.chdir(request["folder"])
    output = os.open(OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    empty_input = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((empty_input, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    sys.argv = ["sweep", *request["words"]]
    if request["kill_point"]:
        kill_points.install(KillPoint(**request["kill_point"]))
    try:
        sweep()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _send(content: Mapping[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(content).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
