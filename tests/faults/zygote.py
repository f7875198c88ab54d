"""A process that has imported everything once and forks a driver on request, so that a start costs no imports.

Every driver is a child in a session of its own that runs `sweep WORDS...` as the command line does. Drivers are forked
while this process has one thread and no database connection; what a fresh interpreter would do before `main` is what
they do not show.

The other side speaks to it in lines of JSON: `Zygote` is that side, `main` the process.
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

from tests.faults import aims
from tests.faults.aims import Aim
from tests.faults.studies import study_text
from tests.sweeps.support import ROOT, clean

READY_S = 120.0
SAID = "said.txt"
# pandas brings pyarrow, whose allocator would start a thread of its own.
ENVIRONMENT = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}


class Zygote:
    """The process that forks, seen from outside. A context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            cwd=ROOT, env=clean(ENVIRONMENT), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._reply(READY_S)

    def start(self, folder: Path, *words: str | Path, aim: Aim | None = None) -> Forked:
        """Fork a driver in `folder`; what it says is appended to `said.txt` there."""
        request = {"folder": str(folder), "words": [*map(str, words)], "aim": aim and asdict(aim)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return Forked(self._reply(READY_S)["pid"], self._reply)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(READY_S)

    def __enter__(self) -> Zygote:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _reply(self, patience_s: float) -> dict[str, Any]:
        """The next line. Raises TimeoutError."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], patience_s)[0]:
            raise TimeoutError(f"nothing heard for {patience_s:g} s")
        line = self._process.stdout.readline()
        assert line, "the forking process has ended"
        return dict(json.loads(line))


@dataclass(frozen=True)
class Forked:
    """A driver, leader of its own process group."""

    pid: int
    _reply: Callable[[float], dict[str, Any]]

    def killed_after(self, seconds: float) -> int:
        """Let the driver run for that long, then kill its group; its exit code, -9 where it was killed."""
        try:
            return self.ended(seconds)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):  # it has ended at this very moment
                os.killpg(self.pid, signal.SIGKILL)
            return self.ended()

    def ended(self, patience_s: float = READY_S) -> int:
        """The exit code, negative for a signal. Raises TimeoutError."""
        return int(self._reply(patience_s)["code"])


def main() -> None:
    """Serve requests until there are no more."""
    _rehearse()
    gc.collect()
    gc.freeze()
    _say({"ready": os.getpid()})
    for line in iter(sys.stdin.buffer.readline, b""):
        request = json.loads(line)
        _require_bare()
        pid = _fork(partial(_drive, request))
        _say({"pid": pid})
        _say({"code": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])})


def _rehearse() -> None:
    """Run a small study to its end here: what it imports and compiles, drivers find done."""
    here, own = Path.cwd(), [os.dup(descriptor) for descriptor in range(3)]
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        (Path(folder) / "rehearsal.yaml").write_text(study_text(name="rehearsal"))
        words = ["run", "rehearsal.yaml", "--runner", "inline", "--data-dir", "data"]
        code = _drive({"folder": folder, "words": words, "aim": None})
        assert code == 0, (Path(folder) / SAID).read_text()
        os.chdir(here)
    for descriptor, kept in enumerate(own):
        os.dup2(kept, descriptor)
        os.close(kept)


def _require_bare() -> None:
    """A forked child would lose threads, and share connections with its parent."""
    own = psutil.Process()
    assert own.num_threads() == 1, own.threads()
    assert not [file.path for file in own.open_files() if file.fd > 2]


def _fork(work: Callable[[], int]) -> int:
    """The process id of a child that leads a session of its own and does `work`."""
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
    os.read(reading, 1)  # the end of the pipe: the child has its session
    os.close(reading)
    return pid


def _drive(request: Mapping[str, Any]) -> int:
    """Run the command line in this process as `sweep` does."""
    from sweeps.cli import main as sweep

    os.chdir(request["folder"])
    said = os.open(SAID, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(source, target)
    sys.argv = ["sweep", *request["words"]]
    if request["aim"]:
        aims.take(Aim(**request["aim"]))
    try:
        sweep()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _say(content: Mapping[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(content).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
