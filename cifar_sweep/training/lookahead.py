"""Lookahead (Zhang et al. 2019, arXiv:1907.08610) in the form of cifar10-airbench (Jordan 2024, arXiv:2404.00498)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cifar_sweep.recipe.regularization import LookaheadRecipe


class Lookahead:
    """Slow weights beside those of `network`, which go back to them every few steps.

    At each such step the slow ones move towards the network's by 1 - d, and the network then starts again from them.
    d = decay^every * (step / steps)^power grows from 0, where nothing happens, to the end; after the last step it is 1:
    the network becomes the slow one. All tensors of floats take part, the statistics of batch norm too.
    """

    def __init__(self, recipe: LookaheadRecipe, network: nn.Module) -> None:
        self.recipe = recipe
        self.slow = [tensor.detach().clone() for tensor in _floats(network)]

    @torch.no_grad()
    def update(self, network: nn.Module, step: int, steps: int) -> None:
        """After the optimizer's step number `step`, counted from 1, of `steps` in all."""
        if step % self.recipe.every == 0:
            self._meet(network, self._decay(step / steps))
        if step == steps:
            self._meet(network, 1.0)

    def _decay(self, place: float) -> float:
        recipe = self.recipe
        return float(recipe.decay**recipe.every * place**recipe.power)

    def _meet(self, network: nn.Module, decay: float) -> None:
        fast = _floats(network)
        torch._foreach_lerp_(self.slow, fast, 1 - decay)
        torch._foreach_copy_(fast, self.slow)

    def state_dict(self) -> dict[str, Any]:
        """The slow weights; what else there is follows from the step."""
        return {"slow": self.slow}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        for own, saved in zip(self.slow, state["slow"], strict=True):
            own.copy_(saved)


def _floats(network: nn.Module) -> list[Tensor]:
    tensors = [*network.parameters(), *network.buffers()]
    return [tensor.detach() for tensor in tensors if tensor.is_floating_point()]
