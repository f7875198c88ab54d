"""What a network costs, known before it is trained."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from cifar_sweep.models import ModelRecipe, build
from cifar_sweep.models.size import check_size
from cifar_sweep.recipe import TransferRecipe
from cifar_sweep.schema import Shape
from cifar_sweep.transfer import trainable_parameters

EVERYTHING_TRAINED = TransferRecipe()


@lru_cache(maxsize=4096)
def network_cost(recipe: ModelRecipe, shape: Shape, transfer: TransferRecipe = EVERYTHING_TRAINED) -> dict[str, int]:
    """Parameters and multiply-accumulates per image; nothing is allocated or computed, however large the network.

    Trainable are those that `transfer` trains in the first epoch. MACs are those of convolutions, linear layers and the
    four projections of attention; not of the products of attention's queries, keys and values (4 % of a ViT-B/16's at
    224 pixels), nor of norms, pooling and the comparison with text embeddings. Raises ValueError when the images are
    too small for the network, its settings do not go together, or nothing is left to train.
    """
    with torch.device("meta"):
        network = build(recipe, shape)
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "trainable_parameters": trainable_parameters(network, transfer),
        "macs": _macs(network, shape),
    }


def _macs(network: nn.Module, shape: Shape) -> int:
    """The MACs of one image, from the shapes that a batch of no images takes on its way through `network`.

    torch.utils.flop_counter on the meta device counts twice as much (a multiplication and an addition per MAC) and
    agrees, but its first call imports torch's compiler: 5 s where this takes 20 ms.
    """
    macs = 0

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        nonlocal macs
        macs += _layer_macs(module, inputs[0], output)

    network._apply(_unread)  # type: ignore[no-untyped-call]
    for module in network.modules():
        module.register_forward_hook(add)
    check_size(network, shape)
    return macs


def _unread(tensor: Tensor) -> Tensor:
    # Memory that nobody touches takes addresses and no room. Integers may be indices, so they must be valid ones.
    make = torch.empty if tensor.is_floating_point() else torch.zeros
    return make(tensor.shape, dtype=tensor.dtype)


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
