"""An exponential moving average of the weights, which is validated and saved in place of the trained ones."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


class Average:
    """The running mean of a network's weights over the steps (Polyak & Juditsky 1992, exponentially weighted).

    `network` is a copy of its own, updated in place. The decay grows with the updates n made so far, as
    min(decay, (1 + n) / (10 + n)), so that the initial weights are soon forgotten. Buffers of floats (the statistics
    of batch norm) are averaged as the weights are, so that they fit them; other buffers are copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.network = copy.deepcopy(network).requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards the weights and buffers of `network`, after a step of its optimizer."""
        own, theirs = _tensors(self.network), _tensors(network)
        floats = [index for index, tensor in enumerate(own) if tensor.is_floating_point()]
        others = [index for index, tensor in enumerate(own) if not tensor.is_floating_point()]
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_([own[index] for index in floats], [theirs[index] for index in floats], 1 - decay)
        for index in others:
            own[index].copy_(theirs[index])
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """The averaged network's state and the number of updates."""
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.network.load_state_dict(state["network"])
        self.updates = state["updates"]


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
