"""The accelerators of this machine, found by asking torch once, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sweeps.prepare.devices.signs import VISIBLE, device_sign, has_cuda_library, hidden

TIMEOUT_S = 300.0  # torch may come from a slow disk on a busy machine; a sick driver never answers
COMMAND = (sys.executable, "-m", "sweeps.prepare.devices.torch_report")

Device = Literal["cpu", "cuda", "mps"]


@dataclass(frozen=True)
class Accelerator:
    """A GPU.

    Attributes:
        name: Its name.
        memory_mib: Its memory in MiB; on an Apple processor what Metal recommends as the most.
        capability: Its CUDA compute capability, such as "9.0"; "" where there is none.
        bf16: Whether the hardware computes in bfloat16.
    """

    name: str
    memory_mib: int
    capability: str
    bf16: bool

    def __str__(self) -> str:
        known = [f"{self.memory_mib / 1024:.0f} GiB", self.capability and f"capability {self.capability}"]
        return f"{self.name} ({', '.join(filter(None, [*known, 'bf16' if self.bf16 else 'no bf16']))})"


@dataclass(frozen=True)
class Devices:
    """What torch says about the accelerators of this machine.

    Attributes:
        sign: Where the system shows an accelerator, such as "/dev/nvidia0"; "" where it shows none.
        torch: torch's version; "" where it was not asked.
        build: What torch is built for: "CUDA 13.2", "ROCm 6.4", "MPS" or "CPU only".
        kind: "cuda" or "mps"; "" where no accelerator is usable.
        accelerators: The visible ones.
        reason: Why none is usable, or which of them does not work; "" where all do.
    """

    sign: str = ""
    torch: str = ""
    build: str = ""
    kind: Literal["", "cuda", "mps"] = ""
    accelerators: tuple[Accelerator, ...] = ()
    reason: str = ""

    @property
    def missed(self) -> bool:
        """Whether the machine has an accelerator that is not usable, without its owner's having hidden it."""
        return bool(self.sign and self.reason)

    @property
    def software(self) -> str:
        """torch's version and build in words: "torch 2.15.0, built for CUDA 13.2"; "torch" where it was not asked."""
        built = "" if not self.build else ", for the CPU only" if self.build == "CPU only" else f", for {self.build}"
        return f"torch {self.torch}{built}".strip()

    def listed(self) -> list[str]:
        """Return the accelerators in words, equal ones together: "2 × NVIDIA H200 (140 GiB, capability 9.0, bf16)"."""
        return [f"{count} × {accelerator}" for accelerator, count in Counter(self.accelerators).items()]

    def __str__(self) -> str:
        return f"{self.kind}: {', '.join(self.listed())}; {self.software}" if self.kind else "no accelerator"

    def plain(self) -> dict[str, Any]:
        """Return what is known as plain data for the provenance; empty where torch was not asked."""
        content = {**vars(self), "accelerators": self.listed()}
        return {name: value for name, value in content.items() if value}


class Inquiry:
    """The question to torch, asked at most once.

    Args:
        command: What answers it.
        timeout_s: Seconds after which the process is killed.
    """

    def __init__(self, command: Sequence[str] = COMMAND, timeout_s: float = TIMEOUT_S) -> None:
        self._command, self._timeout_s = command, timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._answer: Devices | None = None

    def begin(self, *, asked: bool = False) -> None:
        """Start the process without waiting for it, if `devices` would start it."""
        if self._process is None and (asked or _worth_asking()):
            self._start()

    def devices(self, *, asked: bool = False) -> Devices:
        """Return the accelerators of this machine.

        Args:
            asked: Whether to ask torch even where the system shows no sign of an accelerator.
        """
        if self._answer is None and (asked or _worth_asking()):
            self._answer = self._waited()
        return self._answer or Devices()

    def _start(self) -> subprocess.Popen[str]:
        # The package may have been found through a path that only this process knows.
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        self._process = subprocess.Popen(self._command, env=environment, text=True, **pipes)
        return self._process

    def _waited(self) -> Devices:
        process = self._process or self._start()
        try:
            output, errors = process.communicate(timeout=self._timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            return _unanswered(f"torch has not answered within {self._timeout_s:g} s; is the driver well?")
        except BaseException:  # a signal
            process.kill()
            raise
        return _parsed(output) or _unanswered(
            f"the process that asks torch ended with status {process.returncode}: {_last_line(errors)}"
        )


def _worth_asking() -> bool:
    return bool(device_sign()) or has_cuda_library()


def _parsed(output: str) -> Devices | None:
    """Return the answer in the last line of the output; None where there is none."""
    try:
        content = json.loads(_last_line(output))
        accelerators = tuple(Accelerator(**accelerator) for accelerator in content.pop("accelerators"))
        devices = Devices(sign=device_sign(), accelerators=accelerators, **content)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return devices if devices.kind or devices.build == "MPS" else replace(devices, reason=_with_visible(devices.reason))


def _with_visible(reason: str) -> str:
    """Name the variable that decides which GPUs there are for torch, where it is set."""
    value = os.environ.get(VISIBLE)
    if hidden():
        return f"{VISIBLE}={value!r} hides every GPU"
    return reason if value is None else f"{reason} ({VISIBLE}={value!r})"


def _unanswered(reason: str) -> Devices:
    return Devices(sign=device_sign(), reason=reason)


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


_inquiry = Inquiry()


def begin(*, asked: bool = False) -> None:
    """Start to ask torch beside other work, where `devices` would ask it."""
    _inquiry.begin(asked=asked)


def devices(*, asked: bool = False) -> Devices:
    """Return the accelerators of this machine; torch is asked once in the life of this process.

    Args:
        asked: Whether to ask torch even where the system shows no sign of an accelerator.
    """
    return _inquiry.devices(asked=asked)
