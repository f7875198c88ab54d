"""Errors by which a device says that it is full, or that it is lost to this process."""

from __future__ import annotations

import pytest
import torch

from cifar_sweep.device.errors import is_out_of_memory, loss

FULL = [
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 8.00 GiB of which 1.00 GiB is free.",
    "CUDA error: out of memory",
    "CUDA driver error: CUDA_ERROR_OUT_OF_MEMORY",
    "Triton Error [CUDA]: out of memory",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "FIND was unable to find an engine to execute this computation",
    "GET was unable to find an engine to execute this computation",
    "HIP out of memory. Tried to allocate 20.00 MiB.",
    "HIP error: hipErrorOutOfMemory",
    "HIP error: HIPBLAS_STATUS_ALLOC_FAILED when calling `hipblasCreate(handle)`",
    "MPS backend out of memory (MPS allocated: 9.00 GB, other allocations: 1.00 GB, max allowed: 9.07 GB).",
    "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 9",
    "DefaultCPUAllocator: not enough memory: you tried to allocate 4096 bytes.",
]
LOST = [
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: device-side assert triggered",
    "CUDA error: unspecified launch failure",
    "CUDA error: misaligned address",
    "CUDA error: an illegal instruction was encountered",
    "CUDA error: uncorrectable ECC error encountered",
    "CUDA error: the launch timed out and was terminated",
    "CUDA error: invalid program counter",
    "CUDA error: hardware stack error",
    "CUDA error: operation not supported on global/shared address space",
    "CUDA error: unknown error",
    "CUDA driver error: CUDA_ERROR_ILLEGAL_ADDRESS",
    "Triton Error [CUDA]: an illegal memory access was encountered",
    "HIP error: an illegal memory access was encountered",
    "HIP error: unspecified launch failure",
    "hipErrorAssert",
]
OTHER = [
    "shapes cannot be multiplied",
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
    "CUDA error: invalid argument",
    "CUDA error: no kernel image is available for execution on the device",
]


def assert_never_asked() -> None:
    raise AssertionError("a process that uses no GPU must not begin to use one")


@pytest.mark.parametrize("text", FULL)
def test_full_device_is_recognised(text: str) -> None:
    assert is_out_of_memory(RuntimeError(text))
    assert not loss(RuntimeError(text))


@pytest.mark.parametrize("text", LOST)
def test_lost_device_is_recognised_and_is_not_full(text: str) -> None:
    error = RuntimeError(f"{text}\nCUDA kernel errors might be asynchronously reported at some other API call")
    assert loss(error) == text
    assert not is_out_of_memory(error)


@pytest.mark.parametrize("text", OTHER)
def test_other_errors_are_neither(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", assert_never_asked)
    assert not is_out_of_memory(RuntimeError(text))
    assert not loss(RuntimeError(text))


def test_class_of_an_error_decides_before_its_text() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("Tried to allocate"))
    assert is_out_of_memory(MemoryError("Unable to allocate 9 GiB for an array"))
    assert not is_out_of_memory(ValueError("out of memory"))
    assert not loss(ValueError("an illegal memory access was encountered"))


def test_error_of_the_cpu_allocator_is_recognised() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)


def test_number_of_an_error_is_enough() -> None:
    error = torch.AcceleratorError("CUDA error")
    assert not loss(error)
    error.error_code = 700  # type: ignore[attr-defined]
    assert loss(error) == "CUDA error"


@pytest.mark.parametrize("text", ["CUBLAS_STATUS_ALLOC_FAILED", "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"])
def test_library_that_fails_on_a_lost_device_is_not_out_of_memory(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost() -> None:
        raise RuntimeError("CUDA error: device-side assert triggered\nCompile with TORCH_USE_CUDA_DSA")

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", lost)
    assert not is_out_of_memory(RuntimeError(text))
    assert loss(RuntimeError(text)) == f"{text} (CUDA error: device-side assert triggered)"
