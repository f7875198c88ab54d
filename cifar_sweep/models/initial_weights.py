"""Initial weights that are equal across recipes: drawn per parameter name, not in the order of construction."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from cifar_sweep.models.network import Network
from sweeps.workload import stream


def initialise(network: Network, seed: int) -> None:
    """Draw the weights of every convolution and linear layer (He et al. 2015, arXiv:1502.01852); biases become zero.

    The draw of a parameter depends on `seed`, its name and its shape alone, so two networks agree wherever those agree.
    Normalisation layers keep the gains that the network's constructor gave them.

    The body of a torchvision network keeps the distributions of its architecture (truncated normal, uniform biases,
    layer scale, ...): the operations of its constructor on each parameter are repeated with a generator of the seed and
    the parameter's name. Constants stay. Its head, and its first convolution where that was replaced for another stem
    or number of channels, are drawn as above. torch's global generator is neither read nor changed.
    """
    draws_by_name = network.draws
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            generator = _generator(seed, name)
            for draw in draws_by_name.get(name, ()):
                draw.repeat(parameter, generator)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and f"{name}.weight" not in draws_by_name:
            _draw_layer(module, _generator(seed, f"{name}.weight"))
    # Last: an architecture may change what was drawn, such as into a Dirac start.
    for module in network.modules():
        if isinstance(module, Network):
            module.after_draw()


def _draw_layer(layer: nn.Conv2d | nn.Linear, generator: torch.Generator) -> None:
    """Draw the weight of a layer by He's rule and set its bias to zero."""
    mode: Literal["fan_out", "fan_in"] = "fan_out" if isinstance(layer, nn.Conv2d) else "fan_in"
    nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu", generator=generator)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _generator(seed: int, name: str) -> torch.Generator:
    """Return the CPU generator of a parameter."""
    return torch.Generator().manual_seed(stream(seed, "init", name))
