"""Files of weights: finding and downloading torchvision's, and reading any file of tensors without running code."""

from __future__ import annotations

import difflib
import importlib.util
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sweeps.workload import Unavailable

WRAPPERS = ("network", "state_dict", "model")  # keys under which we and others save a network beside other state
# What torch.load raises for a file that is cut short, of another kind, or not tensors alone.
UNREADABLE = (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, ValueError)
_HASH = re.compile(r"-([0-9a-f]{8,})\.")
# DenseNet's published files are older than the names of its layers in torchvision.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")


@dataclass(frozen=True)
class Published:
    """Weights that torchvision publishes: their address, and where they are kept here."""

    url: str
    path: Path

    @classmethod
    def named(cls, architecture: str, weights: str) -> Published:
        """The weights called `weights` of torchvision's `architecture`, in $TORCH_HOME/hub/checkpoints.

        Raises ValueError with the names there are when torchvision has none of that name for the architecture.
        """
        from torchvision.models import get_model_weights  # torchvision takes a second, and most recipes do without

        entries = get_model_weights(architecture)
        group, _, name = weights.rpartition(".")
        if (group and group != entries.__name__) or name not in entries.__members__:
            there = ", ".join(f"{entries.__name__}.{known}" for known in entries.__members__)
            raise ValueError(f"transfer.weights is {weights} but torchvision has for {architecture}: {there or 'none'}")
        url = entries[name].url
        return cls(url, Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2])

    def fetch(self) -> None:
        """Make sure that the file is here, downloading it when it is not; a file that is there is taken as it is.

        Raises Unavailable when the download fails or is not the file that its name's hash promises.
        """
        if self.path.exists():
            return
        promised = _HASH.search(self.path.name)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            prefix = promised.group(1) if promised else None
            torch.hub.download_url_to_file(self.url, str(self.path), prefix, progress=False)
        except (OSError, RuntimeError) as error:
            raise Unavailable(f"{self._absent()}, and the download failed: {error}. {self._way_out()}") from error

    def read(self) -> dict[str, Tensor]:
        """The tensors under the names that torchvision's network has for them. Raises Unavailable, ValueError."""
        if not self.path.exists():
            raise Unavailable(f"{self._absent()}. {self._way_out()}")
        return {_OLD_DENSENET.sub(r"\1\2.", name): tensor for name, tensor in read_weights(self.path).items()}

    def _absent(self) -> str:
        return f"transfer.weights: no {self.path}"

    def _way_out(self) -> str:
        return f"Put {self.url} there, or set TORCH_HOME to the folder that has hub/checkpoints/{self.path.name}"


def weights_file(weights: str, data_dir: Path) -> Path:
    """The file of weights that `weights` names, below the data folder when relative. Raises Unavailable."""
    path = data_dir / weights
    if path.is_file():
        return path
    near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*")], n=3)
    hint = f" (there is {', '.join(near)})" if near else ""
    raise Unavailable(
        f"transfer.weights: no file {path}{hint}. Put the weights there, give an absolute path, or name another "
        "data folder with --data-dir or $SWEEP_DATA"
    )


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors by name in a .pt, .pth or .safetensors file; no code in it is run.

    A wrapper ({"state_dict": ...}, {"model": ...}, {"network": ...}) and a prefix "module." on all names (DataParallel)
    are taken off. Raises ValueError when the file is something else.
    """
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not content or not all(isinstance(t, Tensor) for t in content.values()):
        raise ValueError(f"{path} holds no weights: a mapping from names to tensors (a state_dict) is wanted")
    prefix = "module." if all(name.startswith("module.") for name in content) else ""
    return {name.removeprefix(prefix): tensor for name, tensor in content.items()}


def _read_torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:  # torch's own text advises to run the file's code: not repeated here
        raise ValueError(
            f"{path} cannot be read as plain tensors. Save the network's state_dict() and nothing else: "
            "torch.save(network.state_dict(), path)"
        ) from error


def _read_safetensors(path: Path) -> Any:
    if importlib.util.find_spec("safetensors") is None:
        raise Unavailable(f"{path} needs the package safetensors: uv pip install safetensors")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is no safetensors file: {error}") from error
