"""Weights to start from: torchvision's, those of an earlier trial, or a file's, put into a network that they fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cifar_sweep.inference.trained import STATE
from cifar_sweep.models import build
from cifar_sweep.models.recipes import TorchvisionRecipe
from cifar_sweep.recipe import Recipe
from cifar_sweep.recipe.transfer import TransferRecipe, weights_kind
from cifar_sweep.transfer.freezing import SHOWN, in_head
from cifar_sweep.transfer.weights import Published, read_weights, weights_file
from sweeps.workload import Run, Site

# What torchvision calls its classifiers, and the auxiliary ones of GoogLeNet and Inception.
PUBLISHED_HEADS = ("fc.", "classifier.", "head.", "heads.", "aux1.", "aux2.", "AuxLogits.")


def require_weights(recipe: Recipe, site: Site) -> None:
    """Find what `transfer.weights` names before anything trains, downloading torchvision's, and see that it fits.

    Raises Unavailable when it is not to be had, ValueError when it does not fit the network. Trials of other studies
    are not looked for where nothing is to be trained.
    """
    weights = recipe.transfer.weights
    if weights is None or (weights_kind(weights) == "trial" and site.runs_dir is None):
        return
    if weights_kind(weights) == "torchvision":
        _published(recipe).fetch()
    with torch.device("meta"):
        network = build(recipe.model, recipe.data.shape)
    _Match.of(network, recipe.transfer, _read(recipe, site)).require()


def load_weights(network: nn.Module, recipe: Recipe, run: Run) -> None:
    """Put what `recipe.transfer.weights` names into `network`: all but the head or, with `head: keep`, the head too.

    Does nothing in a resumed run, whose checkpoint holds everything. Raises ValueError naming the first tensors that
    are missing, left over or of another shape; Unavailable when the weights are not there.
    """
    if recipe.transfer.weights is None or run.restored is not None:
        return
    match = _Match.of(network, recipe.transfer, _read(recipe, run))
    match.require()
    network.load_state_dict(match.offered, strict=False)


def _read(recipe: Recipe, where: Site | Run) -> dict[str, Tensor]:
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
            "set model.name to torchvision, or give a trial (study:7) or a file (.pt, .pth, .safetensors)"
        )
    return Published.named(model.arch, weights)


@dataclass(frozen=True)
class _Match:
    """Tensors that are `offered` to a network, against those that it has `wanted`; both by the network's names."""

    transfer: TransferRecipe
    offered: Mapping[str, Tensor]
    wanted: Mapping[str, Tensor]

    @classmethod
    def of(cls, network: nn.Module, transfer: TransferRecipe, tensors: Mapping[str, Tensor]) -> _Match:
        """What of `tensors` concerns `network`; without `head: keep` neither side's head does."""
        wanted = network.state_dict()
        parts = (_renamed(tensors, wanted), wanted)
        offered, wanted = (
            {name: t for name, t in part.items() if transfer.head == "keep" or not in_head(name)} for part in parts
        )
        return cls(transfer, offered, wanted)

    def require(self) -> None:
        """Raise ValueError, naming the first tensors of each kind of misfit, unless everything fits."""
        reshaped = [
            f"{name} is {_size(tensor)} there and {_size(self.wanted[name])} here"
            for name, tensor in self.offered.items()
            if self._reshaped(name)
        ]
        # Files from before 2018 do not count the batches of batch normalisation.
        missing = [n for n in self.wanted if n not in self.offered and not n.endswith("num_batches_tracked")]
        unknown = [name for name in self.offered if name not in self.wanted]
        if reshaped or missing or unknown:
            problems = (
                _listed("of another shape", reshaped),
                _listed("missing there", missing),
                _listed("unknown here", unknown),
            )
            raise ValueError(
                f"transfer.weights is {self.transfer.weights}, but its tensors do not fit this network. "
                f"{''.join(problems)}{self._way_out()}"
            )

    def _reshaped(self, name: str) -> bool:
        return name in self.wanted and self.offered[name].shape != self.wanted[name].shape

    def _way_out(self) -> str:
        reshaped = [name for name in self.offered if self._reshaped(name)]
        pairs = [(self.offered[name].shape, self.wanted[name].shape) for name in reshaped]
        kernels = bool(pairs) and all(len(theirs) == 4 and theirs[:2] == ours[:2] for theirs, ours in pairs)
        if kernels and weights_kind(str(self.transfer.weights)) == "torchvision":
            return "Set model.stem to imagenet: torchvision's weights were trained with that stem"
        if any(in_head(name) for name in reshaped):
            return "Set transfer.head to new: the classifier then starts anew, with this data's classes"
        return "Describe in model the network that the weights were trained in"


def _renamed(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`tensors` under our names: in torchvision's own, its network is our body, and its head is left out."""
    if any(name.startswith("body.") for name in tensors) or not any(name.startswith("body.") for name in wanted):
        return dict(tensors)
    renamed = {f"body.{name}": tensor for name, tensor in tensors.items()}
    return {n: t for n, t in renamed.items() if n in wanted or not n.removeprefix("body.").startswith(PUBLISHED_HEADS)}


def _listed(problem: str, items: list[str]) -> str:
    if not items:
        return ""
    more = f"; and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return f"{len(items)} {problem}: {'; '.join(items[:SHOWN])}{more}. "


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a single number"
