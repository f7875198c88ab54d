"""Average the weights over the steps; the average is validated and saved in place of the trained weights."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


class Average:
    """An exponential moving average of a network's weights (after Polyak & Juditsky 1992).

    The decay of update n, counted from 0, is min(decay, (1 + n) / (10 + n)): it is small at first, so that the initial
    weights are soon forgotten. Floating-point buffers (the statistics of batch norm) are averaged like the weights,
    which they have to fit; other buffers are copied.

    Attributes:
        decay: The largest decay per update.
        updates: Number of updates so far.
        network: A copy of the network that holds the averaged weights.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.network = copy.deepcopy(network).requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the weights and buffers of `network`, after a step of its optimizer."""
        averaged, trained = _tensors(self.network), _tensors(network)
        floats = [index for index, tensor in enumerate(averaged) if tensor.is_floating_point()]
        others = [index for index, tensor in enumerate(averaged) if not tensor.is_floating_point()]
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_([averaged[index] for index in floats], [trained[index] for index in floats], 1 - decay)
        if others:
            torch._foreach_copy_([averaged[index] for index in others], [trained[index] for index in others])
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint needs: the averaged network's state and the number of updates."""
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`."""
        self.network.load_state_dict(state["network"])
        self.updates = state["updates"]


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
