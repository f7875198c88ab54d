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
    """Set which parameters are trained in an epoch; call it after `network.train()`.

    Parameters that the architecture itself does not train are frozen whatever `transfer` says. Normalisation layers
    whose own parameters are all frozen are put into evaluation mode: they use, and keep, the statistics that they have.

    Args:
        network: The network, changed in place.
        transfer: What is frozen at first, and what is unfrozen when.
        epoch: The epoch, counted from 0.

    Raises:
        ValueError: A selection names no parameter, or leaves none to train.
    """
    if transfer.freeze is None and not _never_trained(network, epoch):
        return
    trained = trained_names(network, transfer, epoch)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in trained)
    for module in network.modules():
        parameters = list(module.parameters(recurse=False))
        if isinstance(module, NORMS) and parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def trainable_parameters(network: nn.Module, transfer: TransferRecipe) -> int:
    """Return how many parameters are trained in the first epoch; the network may be on the meta device."""
    trained = trained_names(network, transfer, 0)
    return sum(parameter.numel() for name, parameter in network.named_parameters() if name in trained)


def trained_names(network: nn.Module, transfer: TransferRecipe, epoch: int) -> set[str]:
    """Return the names of the parameters that are trained in `epoch`, counted from 0. Raises as `freeze` does."""
    names, frozen, never_trained = _ordered_names(network), transfer.freeze, _never_trained(network, epoch)
    if frozen is None:
        return set(names) - never_trained
    selected = _selected(names, frozen, "transfer.freeze")
    # A count says how many of the last tensors stay trained; a word or patterns say which are frozen.
    trained = selected if isinstance(frozen, int) else set(names) - selected
    for step in transfer.unfreeze:
        # Selected before its epoch is compared: a name that matches nothing is an error from the first epoch on.
        unfrozen = _selected(names, step.parameters, "transfer.unfreeze")
        trained = trained | unfrozen if step.epoch <= epoch else trained
    trained -= never_trained
    if not trained:
        raise ValueError(f"transfer.freeze is {frozen!r}, which leaves no parameter to train: leave some out")
    return trained


def in_head(name: str) -> bool:
    """Return whether a tensor's name is a classifier's: the network's or, in a hierarchical model, a level's."""
    return "head" in name.split(".")


def _never_trained(network: nn.Module, epoch: int) -> frozenset[str]:
    """Return the parameters that the architecture itself does not train."""
    return network.frozen(epoch) if isinstance(network, Network) else frozenset()


def _ordered_names(network: nn.Module) -> list[str]:
    """Return all parameters' names in the network's order, the head's last."""
    return sorted((name for name, _ in network.named_parameters()), key=in_head)


def _selected(names: list[str], selection: Selected, key: str) -> set[str]:
    """Return the names that a selection stands for: "all", "body", the last n, or those that match a pattern."""
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
        nearest = difflib.get_close_matches(pattern, names, n=SHOWN, cutoff=0.3) or names[:SHOWN]
        raise ValueError(f"{key}: no parameter is called {pattern}; the nearest are {', '.join(nearest)}")
    return matches
