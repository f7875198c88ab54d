"""Muon: momentum made orthogonal by a Newton-Schulz iteration for hidden weight matrices, AdamW for all else.

Jordan et al. 2024, https://kellerjordan.github.io/posts/muon. torch.optim.Muon takes matrices only, and came with torch
2.9.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from cifar_sweep.optim.foreach import ForeachOptimizer, Tensors, add_scaled, without_overflow

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


class Muon(ForeachOptimizer):
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

    def _update(
        self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor], overflow: Tensor | None
    ) -> None:
        if group["orthogonal"]:
            self._orthogonal_step(group, parameters, gradients, overflow)
        elif isinstance(group["lr"], Tensor):
            self._fused_adam_step(group, parameters, gradients, overflow)
        else:
            self._adam_step(group, parameters, gradients)

    def _orthogonal_step(
        self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor], overflow: Tensor | None
    ) -> None:
        momenta = self._running_means("momentum", parameters)
        rate, gradients = without_overflow(group["lr"], gradients, momenta, overflow)
        torch._foreach_mul_(parameters, 1 - rate * group["weight_decay"])
        torch._foreach_lerp_(momenta, gradients, 1 - group["momentum"])
        directions = torch._foreach_lerp(gradients, momenta, group["momentum"]) if group["nesterov"] else momenta
        add_scaled(parameters, _orthogonal_updates(directions), -rate)

    def _adam_step(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
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

    def _fused_adam_step(
        self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor], overflow: Tensor | None
    ) -> None:
        """Do the same in one operation, with steps counted on the device: no number of the host changes."""
        means, squares = self._running_means("mean", parameters), self._running_means("square", parameters)
        steps = [self._step_on_device(parameter) for parameter in parameters]
        torch._foreach_add_(steps, 1)
        first, second = group["betas"]
        torch._fused_adamw_(
            parameters,
            gradients,
            means,
            squares,
            [],
            steps,
            lr=group["lr"],
            beta1=first,
            beta2=second,
            weight_decay=group["weight_decay"],
            eps=ADAM_EPSILON,
            amsgrad=False,
            maximize=False,
            found_inf=overflow,
        )
        if overflow is not None:
            torch._foreach_sub_(steps, [overflow] * len(steps))  # a skipped step does not count

    def _count_step(self, parameter: Tensor) -> int:
        """Count a step of a parameter: parameters that were frozen for a while have had fewer than others."""
        count = int(self.state[parameter].get("step", 0)) + 1
        self.state[parameter]["step"] = count
        return count

    def _step_on_device(self, parameter: Tensor) -> Tensor:
        """Return the count of a parameter's steps () as torch's fused step takes it."""
        count = self.state[parameter].get("step", 0)
        if not isinstance(count, Tensor):
            count = torch.full((), float(count), device=parameter.device)
            self.state[parameter]["step"] = count
        return count


def _orthogonal_updates(directions: Tensors) -> list[Tensor]:
    """Return the orthogonal update for each direction; matrices of one shape are iterated as one batch.

    On a GPU all directions are cast to bfloat16 at once, and all updates back.
    """
    on_gpu = directions[0].is_cuda
    updates = _cast(directions, torch.bfloat16) if on_gpu else list(directions)
    members_by_shape: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, direction in enumerate(directions):
        members_by_shape[len(direction), direction.numel() // len(direction)].append(index)
    for (rows, columns), members in members_by_shape.items():
        matrices = orthogonalise(torch.stack([_matrix(updates[index]) for index in members]))
        if rows > columns:
            matrices *= (rows / columns) ** 0.5
        for index, matrix in zip(members, matrices, strict=True):
            updates[index] = _as_weight(matrix, directions[index])
    return _cast(updates, torch.float32) if on_gpu else updates


def _cast(tensors: Tensors, dtype: torch.dtype) -> list[Tensor]:
    made = [torch.empty_like(tensor, dtype=dtype) for tensor in tensors]
    torch._foreach_copy_(made, tensors)
    return made


def _matrix(weight: Tensor) -> Tensor:
    """Return a weight as a matrix; on a GPU with the columns as they lie in memory, which saves a copy.

    The order of the columns does not matter to an orthogonal update, but it does to the last digit of its sums.
    """
    return (weight.movedim(1, -1) if _is_channels_last(weight) else weight).flatten(1)


def _as_weight(matrix: Tensor, weight: Tensor) -> Tensor:
    """Return what `_matrix` made of a weight in that weight's shape."""
    if _is_channels_last(weight):
        return matrix.view(weight.movedim(1, -1).shape).movedim(-1, 1)
    return matrix.reshape(weight.shape)


def _is_channels_last(weight: Tensor) -> bool:
    return weight.is_cuda and weight.ndim == 4 and weight.is_contiguous(memory_format=torch.channels_last)
