"""Files of weights: find and download torchvision's, and read any file of tensors without running its code."""

from __future__ import annotations

import difflib
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cifar_sweep.inference.trained import UNREADABLE
from cifar_sweep.schema import below
from sweeps.workload import Unavailable

# The keys under which a network is saved beside other state, by this package and by widespread training scripts.
WRAPPERS = ("network", "state_dict", "model", "model_state_dict", "net")
# The prefixes of all names that wrappers of a network leave: DataParallel and AveragedModel, torch.compile, Lightning.
PREFIXES = ("module.", "_orig_mod.", "model.")
AVERAGED = "n_averaged"  # AveragedModel's number of updates, the only name without its prefix
_HASH = re.compile(r"-([0-9a-f]{8,})\.")
# DenseNet's published files are older than the names of its layers in torchvision.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")


@dataclass(frozen=True)
class Published:
    """Weights that torchvision publishes.

    Attributes:
        url: Their address.
        path: Where they are kept on this machine.
    """

    url: str
    path: Path

    @classmethod
    def named(cls, architecture: str, weights: str) -> Published:
        """Return the weights of an architecture by their name in torchvision, kept in $TORCH_HOME/hub/checkpoints.

        Raises:
            ValueError: torchvision has no weights of that name for the architecture; the error lists those it has.
        """
        from torchvision.models import get_model_weights  # takes a second, and most recipes do without

        entries = get_model_weights(architecture)
        group, _, name = weights.rpartition(".")
        if (group and group != entries.__name__) or name not in entries.__members__:
            names = ", ".join(f"{entries.__name__}.{member}" for member in entries.__members__)
            raise ValueError(f"transfer.weights is {weights} but torchvision has for {architecture}: {names or 'none'}")
        url = entries[name].url
        return cls(url, Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2])

    def fetch(self) -> None:
        """Download the file unless it exists; an existing file is not checked.

        Raises:
            Unavailable: The download fails, or does not have the hash that the file's name gives.
        """
        if self.path.exists():
            return
        expected_hash = _HASH.search(self.path.name)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            prefix = expected_hash.group(1) if expected_hash else None
            torch.hub.download_url_to_file(self.url, str(self.path), prefix, progress=False)
        except (OSError, RuntimeError) as error:
            raise Unavailable(f"{self._missing()}, and the download failed: {error}. {self._advice()}") from error

    def read(self) -> dict[str, Tensor]:
        """Return the tensors by the names of torchvision's network.

        Raises:
            Unavailable: The file is missing.
            ValueError: It cannot be read as tensors.
        """
        if not self.path.exists():
            raise Unavailable(f"{self._missing()}. {self._advice()}")
        return {_OLD_DENSENET.sub(r"\1\2.", name): tensor for name, tensor in read_weights(self.path).items()}

    def _missing(self) -> str:
        return f"transfer.weights: no {self.path}"

    def _advice(self) -> str:
        return f"Put {self.url} there, or set TORCH_HOME to the folder that has hub/checkpoints/{self.path.name}"


def weights_file(weights: str, data_dir: Path) -> Path:
    """Return the path of a file of weights; a relative one is below the data folder. Raises Unavailable if missing."""
    path = below(data_dir, weights)
    if path.is_file():
        return path
    nearest = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*")], n=3)
    hint = f" (there is {', '.join(nearest)})" if nearest else ""
    raise Unavailable(
        f"transfer.weights: no file {path}{hint}. Put the weights there, give an absolute path, or name another "
        "data folder with --data-dir or $SWEEP_DATA"
    )


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file of torch.save or of a .safetensors file, by name. No code in it is run.

    A wrapper (a key of WRAPPERS) and prefixes that all names have (those of PREFIXES, in any order) are removed.

    Raises:
        Unavailable: The package safetensors is not installed.
        ValueError: The file cannot be read, or has something other than named tensors in it.
    """
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if isinstance(content, dict):
        content = {name: value for name, value in content.items() if name != AVERAGED}
    if not isinstance(content, dict) or not content or not all(isinstance(t, Tensor) for t in content.values()):
        raise ValueError(
            f"{path} holds no weights: a mapping from names to tensors (a state_dict) is wanted, by itself or under "
            f"{', '.join(WRAPPERS)}"
        )
    return _without_prefixes(content)


def _without_prefixes(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without the prefixes of wrappers, which may be nested, that all names have."""
    while prefix := next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in tensors)), ""):
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def _read_torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        # torch's own message suggests running the file's code, so it is not repeated.
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
