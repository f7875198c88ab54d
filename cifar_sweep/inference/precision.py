"""The arithmetic of a network: float32 or bfloat16."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal

import torch

Precision = Literal["auto", "fp32", "bf16"]


def resolve_precision(precision: Precision, device: str) -> Literal["fp32", "bf16"]:
    """Return `precision`, with auto replaced by bf16 where the hardware of `device` computes in it, else by fp32.

    Args:
        precision: The recipe's setting.
        device: "cpu" or "cuda".
    """
    if precision != "auto":
        return precision
    if device == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Other CPUs emulate bf16, several times slower than fp32.
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if native else "fp32"


def autocast(precision: Literal["fp32", "bf16"], device: torch.device) -> AbstractContextManager[None]:
    """Return the context in which the network computes in `precision`; its weights stay in float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
