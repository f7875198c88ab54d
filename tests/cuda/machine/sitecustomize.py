"""Pretend `$PRETENDED_GPUS` GPUs in this process as soon as it has imported torch. Python imports this at its start.

The process notes its `$CUDA_VISIBLE_DEVICES` in a file of the folder `$PRETENDED_GPUS_SEEN`, where that is given.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_pretending = ExitStack()  # until the process ends


class AfterTorch(MetaPathFinder):
    """Finds torch, and puts the pretended device in place when it is loaded."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != "torch" or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = Pretending(spec.loader)
        return spec


class Pretending(Loader):
    """Loads torch as its own loader does, then pretends."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        self._loader.exec_module(module)
        from tests.cuda.pretended import pretended

        seen = os.environ.get("PRETENDED_GPUS_SEEN")
        if seen is not None:
            (Path(seen) / str(os.getpid())).write_text(os.environ.get("CUDA_VISIBLE_DEVICES", "all"))
        trains = "sweeps.prepare.devices.torch_report" not in sys.orig_argv
        _pretending.enter_context(pretended(count=int(os.environ["PRETENDED_GPUS"]), trains=trains))


if "PRETENDED_GPUS" in os.environ:
    sys.meta_path.insert(0, AfterTorch())
