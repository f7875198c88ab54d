"""The arithmetic of a network: float32, TensorFloat-32, bfloat16 or float16."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, NamedTuple

import torch

from cifar_sweep.recipe import Recipe

Arithmetic = Literal["fp32", "tf32", "bf16", "fp16"]
Precision = Literal["auto", "fp32", "tf32", "bf16", "fp16"]
HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}
FP16_TENSOR_CORES = ((7, 0), (7, 5))  # capabilities of the GPUs (V100, T4, RTX 20xx) with them but without bf16


class Switches(NamedTuple):
    """Switches of torch that hold for a whole process.

    Attributes:
        matmul: Precision of float32 matrix products: "highest" is float32, "high" is TF32.
        convolution_tf32: Whether float32 convolutions are computed in TF32.
        benchmark: Whether cuDNN times its algorithms for each new shape, and uses the fastest.
    """

    matmul: str = "highest"
    convolution_tf32: bool = True
    benchmark: bool = False


def resolve_precision(precision: Precision, device: str) -> Arithmetic:
    """Return `precision`, with auto replaced by what the hardware of `device` computes fastest.

    That is bf16 where it is native, else fp16 on an NVIDIA GPU with tensor cores for it, else fp32.

    Args:
        precision: The recipe's setting.
        device: "cpu", "cuda" or "mps".
    """
    if precision != "auto":
        return precision
    if device == "cuda":
        return _fastest_on_gpu()
    # Other CPUs emulate bf16, several times slower than fp32.
    native = device == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return "bf16" if native else "fp32"


def autocast(precision: Arithmetic, device: torch.device) -> AbstractContextManager[None]:
    """Return the context in which the network computes in `precision`; its weights stay in float32."""
    return torch.autocast(device.type, dtype=HALF.get(precision, torch.bfloat16), enabled=precision in HALF)


@contextmanager
def backends(recipe: Recipe, device: str, *, training: bool) -> Iterator[None]:
    """Set torch's switches for a run on a GPU; on leaving, they are as before, for the next run of the process.

    With fp32 neither matrix products nor convolutions use TF32, with tf32 both do. A recipe without `cudnn_benchmark`
    is of a study begun before that setting, and goes on with the switches that torch starts with.

    Args:
        recipe: The recipe.
        device: "cpu", "cuda" or "mps".
        training: Whether algorithms are timed, as the recipe says: a single pass over some images would not gain.
    """
    if device != "cuda":
        yield
        return
    before = _switches()
    _switch(_wanted(recipe, training))
    try:
        yield
    finally:
        _switch(before)


def _fastest_on_gpu() -> Arithmetic:
    if not torch.cuda.is_available():  # the GPUs are a cluster's, and this machine knows nothing of them
        return "fp32"
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16"
    # AMD's capabilities number other things.
    has_tensor_cores = torch.version.hip is None and torch.cuda.get_device_capability() in FP16_TENSOR_CORES
    return "fp16" if has_tensor_cores else "fp32"


def _wanted(recipe: Recipe, training: bool) -> Switches:
    benchmark = training and bool(recipe.cudnn_benchmark)
    if recipe.precision == "tf32":
        return Switches("high", True, benchmark)
    return Switches("highest", recipe.cudnn_benchmark is None, benchmark)


def _switches() -> Switches:
    with warnings.catch_warnings(action="ignore"):
        return Switches(
            torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
        )


def _switch(wanted: Switches) -> None:
    # These setters, of which torch 2.9 warns, and not `fp32_precision`, which came with it: torch.compile reads both,
    # and only these keep the two in agreement (torch 2.15).
    with warnings.catch_warnings(action="ignore"):
        torch.set_float32_matmul_precision(wanted.matmul)
        torch.backends.cudnn.allow_tf32 = wanted.convolution_tf32
    torch.backends.cudnn.benchmark = wanted.benchmark
