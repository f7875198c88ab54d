"""Load initial weights into a network: torchvision's, those of an earlier trial, or a file's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cifar_sweep.inference.trained import STATE
from cifar_sweep.models import build
from cifar_sweep.models.recipes import TorchvisionRecipe
from cifar_sweep.recipe import Recipe
from cifar_sweep.recipe.transfer import WEIGHTS_SUFFIXES, TransferRecipe, weights_kind
from cifar_sweep.transfer.freezing import SHOWN, in_head
from cifar_sweep.transfer.weights import Published, read_weights, weights_file
from sweeps.workload import Run, Site

# Torchvision's names of its classifiers, and of the auxiliary ones of GoogLeNet and Inception.
PUBLISHED_HEADS = ("fc.", "classifier.", "head.", "heads.", "aux1.", "aux2.", "AuxLogits.")


def require_weights(recipe: Recipe, site: Site) -> None:
    """Check, before anything trains, that the weights of `transfer.weights` are there and fit; download torchvision's.

    Trials of other studies are not looked for where nothing is to be trained (`site.runs_dir` is None).

    Raises:
        Unavailable: The weights are missing and cannot be downloaded.
        ValueError: They do not fit the network.
    """
    weights = recipe.transfer.weights
    if weights is None or (weights_kind(weights) == "trial" and site.runs_dir is None):
        return
    if weights_kind(weights) == "torchvision":
        _published(recipe).fetch()
    with torch.device("meta"):  # names and shapes suffice: no weight is allocated
        network = build(recipe.model, recipe.data.shape)
    _Match.of(network, recipe.transfer, _read(recipe, site)).require()


def load_weights(network: nn.Module, recipe: Recipe, run: Run) -> None:
    """Load the weights of `transfer.weights` into the network: its body and, with `head: keep`, its head.

    Does nothing in a resumed run, since its checkpoint has all weights.

    Raises:
        Unavailable: The weights are missing.
        ValueError: They do not fit; the error names the first tensors that are missing, unknown or of another shape.
    """
    if recipe.transfer.weights is None or run.restored is not None:
        return
    match = _Match.of(network, recipe.transfer, _read(recipe, run))
    match.require()
    network.load_state_dict(match.offered, strict=False)


def _read(recipe: Recipe, where: Site | Run) -> dict[str, Tensor]:
    """Return the tensors of `transfer.weights`, by name."""
    weights = str(recipe.transfer.weights)
    if weights_kind(weights) == "torchvision":
        return _published(recipe).read()
    if weights_kind(weights) == "file":
        return read_weights(weights_file(weights, where.data_dir))
    return read_weights(where.saved(weights).folder / STATE)


def _published(recipe: Recipe) -> Published:
    model, weights = recipe.model, str(recipe.transfer.weights)
    if not isinstance(model, TorchvisionRecipe):
        raise ValueError(
            f"transfer.weights is {weights}, which names torchvision's weights, but model.name is {model.name}: "
            f"set model.name to torchvision, or give a trial (study:7) or a file ({', '.join(WEIGHTS_SUFFIXES)})"
        )
    return Published.named(model.arch, weights)


@dataclass(frozen=True)
class _Match:
    """A comparison of weights with a network.

    Attributes:
        transfer: The settings; they name the weights.
        offered: The tensors of the weights, by the network's names.
        expected: The tensors of the network, by name.
    """

    transfer: TransferRecipe
    offered: Mapping[str, Tensor]
    expected: Mapping[str, Tensor]

    @classmethod
    def of(cls, network: nn.Module, transfer: TransferRecipe, tensors: Mapping[str, Tensor]) -> _Match:
        """Compare `tensors` with the network; without `head: keep` both sides' heads are left out."""
        expected = network.state_dict()
        sides = (_renamed(tensors, expected), expected)
        offered, expected = (
            {name: tensor for name, tensor in side.items() if transfer.head == "keep" or not in_head(name)}
            for side in sides
        )
        return cls(transfer, offered, expected)

    def require(self) -> None:
        """Raise ValueError, naming the first tensors of each kind of misfit, unless everything fits."""
        reshaped = [
            f"{name} is {_size(tensor)} there and {_size(self.expected[name])} here"
            for name, tensor in self.offered.items()
            if self._reshaped(name)
        ]
        # Files from before 2018 do not count the batches of batch normalisation.
        missing = [n for n in self.expected if n not in self.offered and not n.endswith("num_batches_tracked")]
        unknown = [name for name in self.offered if name not in self.expected]
        if reshaped or missing or unknown:
            problems = (
                _listed("of another shape", reshaped),
                _listed("missing there", missing),
                _listed("unknown here", unknown),
            )
            raise ValueError(
                f"transfer.weights is {self.transfer.weights}, but its tensors do not fit this network. "
                f"{''.join(problems)}{self._advice()}"
            )

    def _reshaped(self, name: str) -> bool:
        return name in self.expected and self.offered[name].shape != self.expected[name].shape

    def _advice(self) -> str:
        """Return what a user can do about a misfit."""
        reshaped = [name for name in self.offered if self._reshaped(name)]
        shapes = [(self.offered[name].shape, self.expected[name].shape) for name in reshaped]
        only_kernels = bool(shapes) and all(
            len(offered) == 4 and offered[:2] == expected[:2] for offered, expected in shapes
        )
        if only_kernels and weights_kind(str(self.transfer.weights)) == "torchvision":
            return "Set model.stem to imagenet: torchvision's weights were trained with that stem"
        if any(in_head(name) for name in reshaped):
            return "Set transfer.head to new: the classifier then starts anew, with this data's classes"
        return "Describe in model the network that the weights were trained in"


def _renamed(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return `tensors` by this package's names.

    Where they have torchvision's names, its network is the body here, and its head is left out.
    """
    is_ours = any(name.startswith("body.") for name in tensors)
    if is_ours or not any(name.startswith("body.") for name in expected):
        return dict(tensors)
    renamed = {f"body.{name}": tensor for name, tensor in tensors.items()}
    return {
        name: tensor
        for name, tensor in renamed.items()
        if name in expected or not name.removeprefix("body.").startswith(PUBLISHED_HEADS)
    }


def _listed(problem: str, items: list[str]) -> str:
    if not items:
        return ""
    more = f"; and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return f"{len(items)} {problem}: {'; '.join(items[:SHOWN])}{more}. "


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a single number"
