"""What a network costs, known before it is trained."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from cifar_sweep.models import build
from cifar_sweep.models.recipes.single import SingleRecipe
from cifar_sweep.models.size import check_size
from cifar_sweep.section import Shape


@lru_cache(maxsize=4096)
def network_cost(recipe: SingleRecipe, shape: Shape) -> dict[str, int]:
    """Parameters and multiply-accumulates per image; nothing is allocated or computed, however large the network.

    Counted are convolutions, linear layers and the four projections of attention; not the products of attention's
    queries, keys and values (about a tenth of a ViT-B/16 at 224 pixels), nor activations, norms and pooling.
    Raises ValueError when the images are too small for the network, or its settings do not go together.
    """
    with torch.device("meta"):
        network = build(recipe, shape)
    parameters = list(network.parameters())
    return {
        "parameters": sum(parameter.numel() for parameter in parameters),
        "trainable_parameters": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        "macs": _macs(network, shape),
    }


def _macs(network: nn.Module, shape: Shape) -> int:
    """The MACs of one image, from the shapes that a batch of no images takes on its way through `network`.

    torch.utils.flop_counter on the meta device counts twice as much (a multiplication and an addition per MAC) and
    agrees, but its first call imports torch's compiler: 5 s where this takes 20 ms.
    """
    macs = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        nonlocal macs
        macs += _layer_macs(module, inputs[0], output)

    network._apply(_unread)  # type: ignore[no-untyped-call]
    for module in network.modules():
        module.register_forward_hook(count)
    check_size(network, shape)
    return macs


def _unread(tensor: Tensor) -> Tensor:
    # Memory that nobody touches takes addresses and no room; but integers may be indices, so they must be valid ones.
    return (
        torch.empty(tensor.shape, dtype=tensor.dtype)
        if tensor.is_floating_point()
        else torch.zeros(tensor.shape, dtype=tensor.dtype)
    )


def _layer_macs(layer: nn.Module, taken: Tensor, given: Any) -> int:
    """The MACs of one layer per image. Tensors are (0, ..., features), but (0, channels, H, W) around convolutions."""
    if isinstance(layer, nn.Conv2d):
        return int(given.shape[2:].numel()) * layer.weight.numel()
    if isinstance(layer, nn.Linear):
        return int(given.shape[1:-1].numel()) * layer.weight.numel()
    if isinstance(layer, nn.MultiheadAttention):
        return taken.shape[1] * _numbers(layer, "in_proj_weight", "out_proj.weight")
    if type(layer).__name__.startswith("ShiftedWindowAttention"):  # it uses the weights of its layers, not the layers
        return taken.shape[1:-1].numel() * _numbers(layer, "qkv.weight", "proj.weight")
    return 0


def _numbers(layer: nn.Module, *names: str) -> int:
    return sum(layer.get_parameter(name).numel() for name in names)
