"""Initial weights that pair across recipes: drawn per parameter name, not in the order of construction."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from cifar_sweep.models.network import Network
from sweeps.workload import stream


def initialise(network: Network, seed: int) -> None:
    """Draw every convolution's and linear layer's weights anew (He et al. 2015, arXiv:1502.01852); biases become zero.

    The draw depends on `seed`, the parameter's name and its shape alone, so two networks agree wherever those agree.
    Normalisation layers keep the gains that the network's own constructor gave them.

    The body of a torchvision network keeps the distributions of its architecture (truncated normal, uniform biases,
    layer scale, ...): what its constructor did to each parameter is repeated with a generator of the seed and the
    parameter's name. Constants stay; its first convolution, where it was replaced for another stem or another number
    of channels, and its head are drawn as above. torch's global generator is neither read nor changed.
    """
    drawn = network.draws
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            generator = _generator(seed, name)
            for draw in drawn.get(name, ()):
                draw.repeat(parameter, generator)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and f"{name}.weight" not in drawn:
            _draw_layer(module, _generator(seed, f"{name}.weight"))
    for module in network.modules():
        if isinstance(module, Network):
            module.after_draw()


def _draw_layer(layer: nn.Conv2d | nn.Linear, generator: torch.Generator) -> None:
    mode: Literal["fan_out", "fan_in"] = "fan_out" if isinstance(layer, nn.Conv2d) else "fan_in"
    nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu", generator=generator)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def _generator(seed: int, name: str) -> torch.Generator:
    return torch.Generator().manual_seed(stream(seed, "init", name))
