"""Lookahead (Zhang et al. 2019, arXiv:1907.08610) in the form of cifar10-airbench (Jordan 2024, arXiv:2404.00498)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cifar_sweep.recipe.regularization import LookaheadRecipe


class Lookahead:
    """Slow copies of a network's weights, to which the network returns every few steps.

    At each such step the slow weights move towards the network's by the share 1 - d, and the network continues from
    them. d = decay^every * (step / steps)^power grows from 0, where nothing changes for the network, to decay^every at
    the end. After the last step d is 1: the network takes over the slow weights. All floating-point tensors take part,
    the statistics of batch norm included.

    Attributes:
        recipe: `every` (steps), `decay` and `power` of the formula.
        slow: The slow weights, in the order of the network's parameters and buffers.
    """

    def __init__(self, recipe: LookaheadRecipe, network: nn.Module) -> None:
        self.recipe = recipe
        self.slow = [tensor.detach().clone() for tensor in _float_tensors(network)]

    @torch.no_grad()
    def update(self, network: nn.Module, step: int, steps: int) -> None:
        """Move the slow weights and the network, where `step` is one of those at which they meet.

        Args:
            network: The network, after a step of its optimizer.
            step: Number of that step, counted from 1.
            steps: Number of steps of the whole training.
        """
        if step % self.recipe.every == 0:
            self._synchronise(network, self._decay(step / steps))
        if step == steps:
            self._synchronise(network, 1.0)

    def _decay(self, progress: float) -> float:
        """Return d of the class docstring; `progress` is step / steps."""
        recipe = self.recipe
        return float(recipe.decay**recipe.every * progress**recipe.power)

    def _synchronise(self, network: nn.Module, decay: float) -> None:
        fast = _float_tensors(network)
        torch._foreach_lerp_(self.slow, fast, 1 - decay)
        torch._foreach_copy_(fast, self.slow)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint needs: the slow weights; d follows from the step."""
        return {"slow": self.slow}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`."""
        for slow, saved in zip(self.slow, state["slow"], strict=True):
            slow.copy_(saved)


def _float_tensors(network: nn.Module) -> list[Tensor]:
    """Return the floating-point parameters and buffers, detached but sharing memory with the network."""
    tensors = [*network.parameters(), *network.buffers()]
    return [tensor.detach() for tensor in tensors if tensor.is_floating_point()]
