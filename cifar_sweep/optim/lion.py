"""Lion: the sign of an interpolated momentum (Chen et al. 2023, arXiv:2302.06675)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from cifar_sweep.optim.foreach import ForeachOptimizer, add_scaled, without_overflow


class Lion(ForeachOptimizer):
    """The Lion optimizer.

    Every weight moves by exactly the learning rate, which should therefore be 3 to 10 times smaller than AdamW's.
    Weight decay is decoupled: weights shrink by `lr * weight_decay` per step, so it should be as much larger.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        """Make the optimizer.

        Args:
            params: Parameters or parameter groups, as torch.optim takes them.
            lr: Learning rate.
            betas: Weight of the momentum in a step's direction, and decay of the momentum.
            weight_decay: Decoupled weight decay.
        """
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    def _update(
        self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor], overflow: Tensor | None
    ) -> None:
        momenta = self._running_means("momentum", parameters)
        rate, gradients = without_overflow(group["lr"], gradients, momenta, overflow)
        interpolation, decay = group["betas"]
        # The direction and the momentum weigh the same gradient differently; the direction uses the old momentum.
        directions = torch._foreach_lerp(momenta, gradients, 1 - interpolation)
        torch._foreach_sign_(directions)
        torch._foreach_mul_(parameters, 1 - rate * group["weight_decay"])
        add_scaled(parameters, directions, -rate)
        torch._foreach_lerp_(momenta, gradients, 1 - decay)
