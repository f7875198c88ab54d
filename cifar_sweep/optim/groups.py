"""Which parameters decay, at what share of the learning rate, and by which of Muon's two rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from cifar_sweep.recipe import OptimizerRecipe

HEAD = "head."
NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)


class Kind(NamedTuple):
    """What the parameters of one group have in common; `decay` is their share of the weight decay."""

    orthogonal: bool
    scale: float
    decay: float


def parameter_groups(recipe: OptimizerRecipe, network: nn.Module, head_lr: float) -> list[dict[str, Any]]:
    """Every parameter of `network` in its group, frozen ones too: without a gradient they are left alone.

    A group's learning rate is its `scale` times the schedule's. The first group has the body's decaying weights, if
    there are any. Weight decay acts on convolution and linear weights only: shrinking biases and the gains of
    normalisation does not regularise (He et al. 2018, arXiv:1812.01187). Biases of normalisation have a learning rate,
    and if they are to shrink a weight decay, of their own (Jordan 2024, arXiv:2404.00498, 3.4): the product of the two
    does not depend on `norm_bias_lr`. Raises ValueError when muon has nothing to do.
    """
    norm_biases = _norm_biases(network)
    hidden = _hidden(network) if recipe.name == "muon" else frozenset()
    members: dict[Kind, list[Tensor]] = defaultdict(list)
    for name, parameter in network.named_parameters():
        scale = head_lr if name.startswith(HEAD) else 1.0
        if recipe.name == "muon" and name not in hidden:
            scale *= recipe.adam_lr / recipe.lr
        decay = 1.0 if _is_weight(parameter) else 0.0
        if name in norm_biases:
            scale *= recipe.norm_bias_lr
            decay = 1 / recipe.norm_bias_lr if recipe.norm_bias_decay else 0.0
        members[Kind(name in hidden, scale, decay)].append(parameter)
    order = sorted(members, key=lambda kind: (not kind.orthogonal, kind.scale != 1, not kind.decay, kind.scale))
    return [_group(recipe, kind, members[kind]) for kind in order]


def with_gradients(parameters: Iterable[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Those of `parameters` that have a gradient, and their gradients; the others are frozen."""
    pairs = [(parameter, parameter.grad) for parameter in parameters if parameter.grad is not None]
    return [parameter for parameter, _ in pairs], [gradient for _, gradient in pairs]


def _group(recipe: OptimizerRecipe, kind: Kind, parameters: list[Tensor]) -> dict[str, Any]:
    group: dict[str, Any] = {
        "params": parameters,
        "lr": recipe.lr * kind.scale,
        "scale": kind.scale,
        "weight_decay": recipe.weight_decay * kind.decay,
    }
    return {**group, "orthogonal": kind.orthogonal} if recipe.name == "muon" else group


def _hidden(network: nn.Module) -> frozenset[str]:
    """The weights between the first and the last layer, which its author gives to Muon; the outer two are AdamW's."""
    weights = [name for name, parameter in network.named_parameters() if _is_weight(parameter)]
    in_head = [name for name in weights if name.startswith(HEAD)]
    outer = {*weights[:1], *in_head[-1:], *_embeddings(network)}
    hidden = frozenset(weights) - outer
    if not hidden:
        raise ValueError(
            "optimizer.name is muon but the network has no weights between its first and its last layer; use adamw"
        )
    return hidden


def _norm_biases(network: nn.Module) -> set[str]:
    return {f"{name}.bias" for name, module in network.named_modules() if isinstance(module, NORMS)}


def _embeddings(network: nn.Module) -> set[str]:
    return {f"{name}.weight" for name, module in network.named_modules() if isinstance(module, nn.Embedding)}


def _is_weight(parameter: Tensor) -> bool:
    # What has three dimensions is a gain per channel (ConvNeXt's layer scale) or an embedding of positions.
    return parameter.ndim == 2 or parameter.ndim > 3
