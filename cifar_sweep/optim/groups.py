"""Parameter groups: which parameters decay, at what share of the learning rate, and by which of Muon's two rules."""

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
    """The properties that the parameters of one group share.

    Attributes:
        orthogonal: Whether Muon's rule applies, rather than AdamW's.
        scale: Multiple of the schedule's learning rate.
        decay: Multiple of the recipe's weight decay.
    """

    orthogonal: bool
    scale: float
    decay: float


def parameter_groups(recipe: OptimizerRecipe, network: nn.Module, head_lr: float) -> list[dict[str, Any]]:
    """Divide the parameters of a network into groups for its optimizer.

    Frozen parameters are included: without a gradient an optimizer leaves them alone. Weight decay acts on convolution
    and linear weights only, since shrinking biases and the gains of normalisation does not regularise (He et al. 2018,
    arXiv:1812.01187). Biases of normalisation have a learning rate of their own and, with `norm_bias_decay`, a weight
    decay of their own (Jordan 2024, arXiv:2404.00498, 3.4): the product of the two does not depend on `norm_bias_lr`.

    Args:
        recipe: The optimizer's settings.
        network: The network to train.
        head_lr: The classifier's learning rate, as a multiple of the body's.

    Returns:
        The groups in the form of torch.optim. Each also has its `scale` and, for muon, whether it is `orthogonal`. The
        first group has the body's decaying weights, if there are any.

    Raises:
        ValueError: The optimizer is muon, and there is no weight between the network's first and last layer.
    """
    norm_biases = _norm_biases(network)
    hidden_weights = _hidden_weights(network) if recipe.name == "muon" else frozenset()
    members: dict[Kind, list[Tensor]] = defaultdict(list)
    for name, parameter in network.named_parameters():
        scale = head_lr if name.startswith(HEAD) else 1.0
        if recipe.name == "muon" and name not in hidden_weights:
            scale *= recipe.adam_lr / recipe.lr
        decay = 1.0 if _is_weight(parameter) else 0.0
        if name in norm_biases:
            scale *= recipe.norm_bias_lr
            decay = 1 / recipe.norm_bias_lr if recipe.norm_bias_decay else 0.0
        members[Kind(name in hidden_weights, scale, decay)].append(parameter)
    order = sorted(members, key=lambda kind: (not kind.orthogonal, kind.scale != 1, not kind.decay, kind.scale))
    return [_group(recipe, kind, members[kind]) for kind in order]


def with_gradients(parameters: Iterable[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Return the parameters that have a gradient, and their gradients; the others are frozen."""
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


def _hidden_weights(network: nn.Module) -> frozenset[str]:
    """Return the names of the weights for Muon's rule: those between the first and the last layer.

    The first layer, the last one and embeddings are left to AdamW, as Muon's author recommends.
    """
    weights = [name for name, parameter in network.named_parameters() if _is_weight(parameter)]
    head_weights = [name for name in weights if name.startswith(HEAD)]
    outer = {*weights[:1], *head_weights[-1:], *_embeddings(network)}
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
    # Parameters of three dimensions are gains per channel (ConvNeXt's layer scale) or embeddings of positions.
    return parameter.ndim == 2 or parameter.ndim > 3
