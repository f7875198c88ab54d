"""What an error says about a device: that its memory is full, or that this process can never use it again."""

from __future__ import annotations

from collections.abc import Sequence

import torch

# By these texts, in lower case, errors are recognised that have no class of their own.
FULL = (
    "out of memory",  # also "HIP out of memory", "MPS backend out of memory" and CUDA_ERROR_OUT_OF_MEMORY's text
    "outofmemory",  # hipErrorOutOfMemory
    "out_of_memory",
    "can't allocate memory",  # torch's allocator on a CPU
    "not enough memory",
    "memoryallocation",  # cudaErrorMemoryAllocation
    "_status_alloc_failed",  # cuBLAS, cuDNN, cuSOLVER, hipBLAS …: no room for a workspace
    "allocation_failed",  # cuDNN 9
    "unable to find an engine to execute this computation",  # cuDNN, where no algorithm's workspace fits
)
# CUDA's sticky errors, which every later call of the process returns too; HIP has the same texts and numbers.
LOST = (
    "illegal memory access",
    "device-side assert",
    "unspecified launch failure",
    "launch timed out and was terminated",
    "misaligned address",
    "illegal instruction",
    "invalid program counter",
    "hardware stack error",
    "not supported on global/shared address space",
    "uncorrectable ecc error",
    "uncorrectable nvlink error",
    "cuda error: unknown error",
    "hip error: unknown error",
    *("cuda_error_illegal_address", "cudaerrorillegaladdress", "hiperrorillegaladdress"),
    *("cuda_error_assert", "cudaerrorassert", "hiperrorassert"),
    *("cuda_error_launch_failed", "cudaerrorlaunchfailure", "hiperrorlaunchfailure"),
    *("cuda_error_launch_timeout", "cudaerrorlaunchtimeout", "hiperrorlaunchtimeout"),
    *("cuda_error_misaligned_address", "cudaerrormisalignedaddress"),
    *("cuda_error_illegal_instruction", "cudaerrorillegalinstruction"),
    *("cuda_error_ecc_uncorrectable", "cudaerroreccuncorrectable", "hiperroreccnotcorrectable"),
)
# The same by CUDA's numbers, which `torch.AcceleratorError` has: 2xx are errors of the hardware (ECC, NVLink), 7xx are
# those of kernels (address, timeout, assert, stack, instruction, alignment, address space, program counter, launch).
LOST_CODES = frozenset({214, 220, 226, 700, 702, 710, 714, 715, 716, 717, 718, 719, 999})


class OutOfMemory(MemoryError):
    """The device has too little memory for a run; the message has the peak and the largest batch size that fits."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out: that of a device, or that of the machine.

    An allocation that fails because the device is lost does not count.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and _names(error, FULL) and not loss(error)


def loss(error: BaseException) -> str:
    """Return the reason why this process can never use its GPU again, after an error; empty where it can.

    Kernels fail after the call that started them, so the error may be of another library and name another cause, such
    as CUBLAS_STATUS_ALLOC_FAILED. So the device is asked, too: a lost one says so at every call.
    """
    if not isinstance(error, RuntimeError) or isinstance(error, torch.OutOfMemoryError):
        return ""
    reason = first_line(error)
    if _says_lost(error):
        return reason
    answer = _asked()
    return f"{reason} ({first_line(answer)})" if answer is not None and _says_lost(answer) else ""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its class where it has none."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _says_lost(error: RuntimeError) -> bool:
    return getattr(error, "error_code", None) in LOST_CODES or _names(error, LOST)


def _asked() -> RuntimeError | None:
    """Return the error with which the GPU answers, if this process uses one."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        try:
            torch.cuda.synchronize()
        except RuntimeError as error:
            return error
    return None


def _names(error: RuntimeError, texts: Sequence[str]) -> bool:
    said = str(error).lower()
    return any(text in said for text in texts)
