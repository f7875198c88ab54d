"""Muon: momentum made orthogonal by a Newton-Schulz iteration for hidden weight matrices, AdamW for all else.

Jordan et al. 2024, https://kellerjordan.github.io/posts/muon. torch.optim.Muon takes matrices only, and came with torch
2.9.
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
EPSILON = 1e-7  # keeps a gradient of zero at zero
ADAM_EPSILON = 1e-10  # the author's


def orthogonalise(matrices: Tensor) -> Tensor:
    """Return roughly the nearest (semi-)orthogonal matrices: singular values become 0.7 to 1.2.

    Args:
        matrices: (N, rows, columns).

    Returns:
        (N, rows, columns) of the same type.
    """
    rows, columns = matrices.shape[-2:]
    # On a GPU bfloat16 is several times faster, and the iteration is stable in it.
    current = matrices.bfloat16() if matrices.is_cuda else matrices.float()
    # The iteration multiplies matrices of rows x rows: transposed, these have the shorter side.
    if rows > columns:
        current = current.mT
    # The Frobenius norm bounds the largest singular value, which must not exceed 1 for the iteration to converge.
    current = current / (torch.linalg.vector_norm(current, dim=(-2, -1), keepdim=True) + EPSILON)
    linear, cubic, quintic = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = current @ current.mT
        polynomial = torch.baddbmm(square, square, square, beta=cubic, alpha=quintic)
        current = torch.baddbmm(current, polynomial, current, beta=linear)
    return (current.mT if rows > columns else current).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """The Muon optimizer: groups with `orthogonal` true take Muon's step, others AdamW's.

    A convolution's weight (out, in, k, k) counts as the matrix (out, in·k·k). An orthogonal update is multiplied by
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
        """Make the optimizer.

        Args:
            params: Parameters or parameter groups, as torch.optim takes them. Groups are `orthogonal` by default.
            lr: Learning rate.
            momentum: Decay of the momentum in Muon's step.
            nesterov: Whether that momentum is Nesterov's.
            betas: Decays of the two running means in AdamW's step.
            weight_decay: Decoupled weight decay.
        """
        muon_defaults = {"lr": lr, "weight_decay": weight_decay, "orthogonal": True}
        super().__init__(params, {**muon_defaults, "momentum": momentum, "nesterov": nesterov, "betas": betas})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient. Closures are not supported."""
        for group in self.param_groups:
            parameters, gradients = with_gradients(group["params"])
            if parameters:
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
                (self._orthogonal_step if group["orthogonal"] else self._adam_step)(group, parameters, gradients)

    def _orthogonal_step(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        momenta = self._running_means("momentum", parameters)
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        directions = torch._foreach_lerp(gradients, momenta, group["momentum"]) if group["nesterov"] else momenta
        torch._foreach_add_(parameters, _orthogonal_updates(directions), alpha=-group["lr"])

    def _adam_step(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        means, squares = self._running_means("mean", parameters), self._running_means("square", parameters)
        first, second = group["betas"]
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        steps = [self._count_step(parameter) for parameter in parameters]
        scales = torch._foreach_div(squares, [1 - second**step for step in steps])
        torch._foreach_sqrt_(scales)
        torch._foreach_add_(scales, ADAM_EPSILON)
        torch._foreach_addcdiv_(parameters, means, scales, [-group["lr"] / (1 - first**step) for step in steps])

    def _running_means(self, name: str, parameters: Sequence[Tensor]) -> list[Tensor]:
        """Return the running mean called `name` of each parameter, zero at first."""
        for parameter in parameters:
            if name not in self.state[parameter]:
                self.state[parameter][name] = torch.zeros_like(parameter)
        return [self.state[parameter][name] for parameter in parameters]

    def _count_step(self, parameter: Tensor) -> int:
        """Count a step of a parameter: parameters that were frozen for a while have had fewer than others."""
        count: int = self.state[parameter].get("step", 0) + 1
        self.state[parameter]["step"] = count
        return count


def _orthogonal_updates(directions: Sequence[Tensor]) -> list[Tensor]:
    """Return the orthogonal update for each direction; matrices of one shape are iterated as one batch."""
    members_by_shape: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, direction in enumerate(directions):
        members_by_shape[len(direction), direction.numel() // len(direction)].append(index)
    updates: list[Tensor] = list(directions)
    for (rows, columns), members in members_by_shape.items():
        matrices = orthogonalise(torch.stack([directions[index].flatten(1) for index in members]))
        matrices *= max(1, rows / columns) ** 0.5
        for index, matrix in zip(members, matrices, strict=True):
            updates[index] = matrix.reshape(directions[index].shape)
    return updates
