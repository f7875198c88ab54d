"""What the optimizers of this package share: they update all weights at once, on a GPU without numbers of the host."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from cifar_sweep.optim.groups import with_gradients

Tensors = list[Tensor] | tuple[Tensor, ...]


class ForeachOptimizer(torch.optim.Optimizer):
    """An optimizer that updates the weights of a group at once.

    A learning rate may be a tensor () on the weights' device, and `torch.amp.GradScaler` leaves it to the optimizer to
    skip a step whose gradients overflowed: neither makes the host wait for a GPU.

    Attributes:
        found_inf: While the scaler takes a step, a tensor () float32: not 0 where the step is to change nothing.
    """

    _step_supports_amp_scaling = True  # GradScaler sets `found_inf`
    found_inf: Tensor | None = None

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient. Closures are not supported."""
        overflow = self.found_inf
        if overflow is not None and not overflow.is_cuda:
            if overflow.item():
                return
            overflow = None
        for group in self.param_groups:
            parameters, gradients = with_gradients(group["params"])
            if parameters:
                self._update(group, parameters, gradients, overflow)

    @abstractmethod
    def _update(
        self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor], overflow: Tensor | None
    ) -> None:
        """Update parameters of a group.

        Args:
            group: The group.
            parameters: Those of its parameters that have a gradient.
            gradients: The gradients.
            overflow: Where it is given and not 0, nothing may change.
        """

    def _running_means(self, name: str, parameters: list[Tensor]) -> list[Tensor]:
        """Return the running mean called `name` of each parameter, zero at first."""
        for parameter in parameters:
            if name not in self.state[parameter]:
                self.state[parameter][name] = torch.zeros_like(parameter)
        return [self.state[parameter][name] for parameter in parameters]


def add_scaled(parameters: list[Tensor], directions: Tensors, factor: float | Tensor) -> None:
    """Add `directions`, times a number or a tensor () on their device, to the parameters."""
    if isinstance(factor, Tensor):
        torch._foreach_add_(parameters, torch._foreach_mul(directions, factor))
    else:
        torch._foreach_add_(parameters, directions, alpha=factor)


def without_overflow(
    rate: float | Tensor, gradients: list[Tensor], means: list[Tensor], overflow: Tensor | None
) -> tuple[float | Tensor, list[Tensor]]:
    """Return the rate and gradients of a step; on overflow those that change neither the weights nor their means.

    Args:
        rate: The learning rate.
        gradients: The gradients.
        means: Running means of the gradients: a mean stays what it is where it meets itself.
        overflow: () not 0 on overflow; None where there was none.
    """
    if overflow is None:
        return rate, gradients
    skips = overflow.bool()
    kept = [torch.where(skips, mean, gradient) for mean, gradient in zip(means, gradients, strict=True)]
    return rate * (1 - overflow), kept
