"""Muon: momentum made orthogonal by a Newton–Schulz iteration, AdamW for what is no hidden weight matrix.

Jordan et al. 2024, https://kellerjordan.github.io/posts/muon. torch.optim.Muon takes matrices only and came with 2.9.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from cifar_sweep.optim.groups import with_gradients

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # the author's quintic: steepest at zero, so small singular values rise fast
ITERATIONS = 5
EPSILON = 1e-7  # a gradient of zero stays zero
ADAM_EPSILON = 1e-10  # the author's


def orthogonalise(matrices: Tensor) -> Tensor:
    """The nearest (semi-)orthogonal matrices of `matrices` (N, rows, columns), roughly: singular values 0.7 to 1.2.

    In bfloat16 on a GPU, where the iteration is stable in it and several times faster; in float32 on a CPU.
    """
    rows, columns = matrices.shape[-2:]
    current = matrices.bfloat16() if matrices.is_cuda else matrices.float()
    if rows > columns:
        current = current.mT
    current = current / (torch.linalg.vector_norm(current, dim=(-2, -1), keepdim=True) + EPSILON)
    linear, cubic, quintic = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = current @ current.mT
        polynomial = torch.baddbmm(square, square, square, beta=cubic, alpha=quintic)
        current = torch.baddbmm(current, polynomial, current, beta=linear)
    return (current.mT if rows > columns else current).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Groups with `orthogonal` true take Muon's step, others AdamW's; each group has its learning rate.

    A convolution's weight (out, in, k, k) counts as the matrix (out, in·k·k). An update is scaled by
    sqrt(max(1, rows / columns)), so that its size does not depend on the layer's shape. Weight decay is decoupled.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.02,
        momentum: float = 0.95,
        nesterov: bool = True,
        betas: tuple[float, float] = (0.9, 0.95),
        weight_decay: float = 0.0,
    ) -> None:
        own = {"lr": lr, "weight_decay": weight_decay, "orthogonal": True}
        super().__init__(params, {**own, "momentum": momentum, "nesterov": nesterov, "betas": betas})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient. A closure is not taken."""
        for group in self.param_groups:
            parameters, gradients = with_gradients(group["params"])
            if parameters:
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
                (self._orthogonal_step if group["orthogonal"] else self._adam_step)(group, parameters, gradients)

    def _orthogonal_step(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        momenta = self._kept("momentum", parameters)
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        directions = torch._foreach_lerp(gradients, momenta, group["momentum"]) if group["nesterov"] else momenta
        torch._foreach_add_(parameters, _updates(directions), alpha=-group["lr"])

    def _adam_step(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        means, squares = self._kept("mean", parameters), self._kept("square", parameters)
        first, second = group["betas"]
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        steps = [self._count(parameter) for parameter in parameters]
        scales = torch._foreach_div(squares, [1 - second**step for step in steps])
        torch._foreach_sqrt_(scales)
        torch._foreach_add_(scales, ADAM_EPSILON)
        torch._foreach_addcdiv_(parameters, means, scales, [-group["lr"] / (1 - first**step) for step in steps])

    def _kept(self, name: str, parameters: Sequence[Tensor]) -> list[Tensor]:
        """The running mean called `name` of each parameter, zero at first."""
        for parameter in parameters:
            if name not in self.state[parameter]:
                self.state[parameter][name] = torch.zeros_like(parameter)
        return [self.state[parameter][name] for parameter in parameters]

    def _count(self, parameter: Tensor) -> int:
        """Count a step of `parameter`: one that was frozen for a while has had fewer than others."""
        count: int = self.state[parameter].get("step", 0) + 1
        self.state[parameter]["step"] = count
        return count


def _updates(directions: Sequence[Tensor]) -> list[Tensor]:
    """The orthogonal update of each of `directions`; matrices of one shape go through the iteration together."""
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, direction in enumerate(directions):
        alike[len(direction), direction.numel() // len(direction)].append(index)
    updates: list[Tensor] = list(directions)
    for (rows, columns), members in alike.items():
        matrices = orthogonalise(torch.stack([directions[index].flatten(1) for index in members]))
        matrices *= max(1, rows / columns) ** 0.5
        for index, matrix in zip(members, matrices, strict=True):
            updates[index] = matrix.reshape(directions[index].shape)
    return updates
