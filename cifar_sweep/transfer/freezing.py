"""Which parameters are trained in which epoch: a pure function of the epoch, so that a resumed run repeats it."""

from __future__ import annotations

import difflib
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from cifar_sweep.models.network import Network
from cifar_sweep.recipe.transfer import Selected, TransferRecipe

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)
SHOWN = 5  # names in an error


def freeze(network: nn.Module, transfer: TransferRecipe, epoch: int) -> None:
    """Set which parameters are trained in `epoch` (counted from 0); call it after `network.train()`.

    Those that the architecture itself does not train are frozen whatever `transfer` says.

    Normalisation layers whose own parameters are all frozen go into evaluation mode: they use, and keep, the
    statistics they came with. Raises ValueError when the selection names nothing or leaves nothing to train.
    """
    if transfer.freeze is None and not _untrained(network, epoch):
        return
    trained = trained_names(network, transfer, epoch)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in trained)
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        if isinstance(module, NORMS) and own and not any(parameter.requires_grad for parameter in own):
            module.eval()


def trainable_parameters(network: nn.Module, transfer: TransferRecipe) -> int:
    """How many parameters are trained in the first epoch; for a network on the meta device too."""
    trained = trained_names(network, transfer, 0)
    return sum(parameter.numel() for name, parameter in network.named_parameters() if name in trained)


def trained_names(network: nn.Module, transfer: TransferRecipe, epoch: int) -> set[str]:
    """The names of the parameters that are trained in `epoch`, counted from 0. Raises ValueError as `freeze` does."""
    names, frozen, never = _ordered_names(network), transfer.freeze, _untrained(network, epoch)
    if frozen is None:
        return set(names) - never
    chosen = _selected(names, frozen, "transfer.freeze")
    trained = chosen if isinstance(frozen, int) else set(names) - chosen  # a count says what is not frozen
    for step in transfer.unfreeze:
        thawed = _selected(names, step.parameters, "transfer.unfreeze")
        trained = trained | thawed if step.epoch <= epoch else trained
    trained -= never
    if not trained:
        raise ValueError(f"transfer.freeze is {frozen!r}, which leaves no parameter to train: leave some out")
    return trained


def in_head(name: str) -> bool:
    """Whether a tensor of this name belongs to a classifier: the network's or, in a hierarchical model, a level's."""
    return "head" in name.split(".")


def _untrained(network: nn.Module, epoch: int) -> frozenset[str]:
    return network.frozen(epoch) if isinstance(network, Network) else frozenset()


def _ordered_names(network: nn.Module) -> list[str]:
    """All parameters' names in the network's order, the head last."""
    return sorted((name for name, _ in network.named_parameters()), key=in_head)


def _selected(names: list[str], selection: Selected, key: str) -> set[str]:
    """Those of `names` that `selection` stands for: "all", "body", the last n, or what matches one of the patterns."""
    if isinstance(selection, tuple):
        return set().union(*(_matching(names, pattern, key) for pattern in selection))
    if isinstance(selection, str):
        return {name for name in names if selection == "all" or not in_head(name)}
    if selection >= len(names):
        most = len(names) - 1
        raise ValueError(f"{key} is {selection} but the network has {most + 1} parameter tensors: give {most} or less")
    return set(names[-selection:])


def _matching(names: list[str], pattern: str, key: str) -> set[str]:
    matches = {name for name in names if fnmatchcase(name, pattern)}
    if not matches:
        near = difflib.get_close_matches(pattern, names, n=SHOWN, cutoff=0.3) or names[:SHOWN]
        raise ValueError(f"{key}: no parameter is called {pattern}; the nearest are {', '.join(near)}")
    return matches
