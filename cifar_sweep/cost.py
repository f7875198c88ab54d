"""What a network costs, known before it is trained."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from cifar_sweep.models import ModelRecipe, build
from cifar_sweep.section import Shape


@lru_cache(maxsize=4096)
def network_cost(recipe: ModelRecipe, shape: Shape) -> dict[str, int]:
    """Parameters and multiply-accumulates per image; nothing is allocated or computed, however large the network.

    Counted are convolutions and linear layers. Raises ValueError when the images are too small for the network.
    """
    with torch.device("meta"):
        network = build(recipe, shape).eval()
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

    def count(module: nn.Conv2d | nn.Linear, inputs: Any, output: Tensor) -> None:
        nonlocal macs
        positions = output.shape[2:].numel() if isinstance(module, nn.Conv2d) else 1
        macs += positions * module.weight.numel()

    # Never read or written, so this reserves addresses and no memory.
    network._apply(lambda tensor: torch.empty(tensor.shape, dtype=tensor.dtype))  # type: ignore[no-untyped-call]
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.inference_mode():
        network(torch.empty(0, shape.channels, shape.size, shape.size))
    return macs
