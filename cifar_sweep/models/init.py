"""Initial weights that pair across recipes: drawn per parameter name, not in the order of construction."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from sweeps.workload import stream


def initialise(network: nn.Module, seed: int) -> None:
    """Draw every convolution's and linear layer's weights anew (He et al. 2015, arXiv:1502.01852); biases become zero.

    The draw depends on `seed`, the parameter's name and its shape alone, so two networks agree wherever those agree.
    Normalisation layers keep the gains that the network's own constructor gave them.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            generator = torch.Generator().manual_seed(stream(seed, "init", f"{name}.weight"))
            mode: Literal["fan_out", "fan_in"] = "fan_out" if isinstance(module, nn.Conv2d) else "fan_in"
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
