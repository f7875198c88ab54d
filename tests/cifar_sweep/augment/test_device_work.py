"""What an augmentation asks of a GPU: how many operators, and no number from the CPU once the epoch has begun.

The meta device stands for the GPU where it can: it computes nothing, but refuses to be combined with tensors of the
CPU, and refuses whatever needs to know a value (`item`, `nonzero`, a mask as an index). It has no random numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from cifar_sweep.augment import Augmentation, Scaling, Source, augmentation
from cifar_sweep.augment.operations.registry import OPERATIONS
from cifar_sweep.recipe.augment import AugmentRecipe
from cifar_sweep.schema import Shape
from tests.cifar_sweep.real_images import photos, source_of

META, CPU = torch.device("meta"), torch.device("cpu")
COLOUR = Shape(channels=3, size=32, classes=10)
BATCH, STEPS = 6, 4
DRAWN_PER_PIXEL = {"iso_noise", "gaussian_noise"}
# No kernel: they make another view of the same memory, or memory that is not yet written.
VIEWS = {
    *(
        "alias",
        "as_strided",
        "detach",
        "diagonal",
        "expand",
        "narrow",
        "permute",
        "reshape",
        "select",
        "slice",
        "split",
    ),
    *("split_with_sizes", "squeeze", "t", "transpose", "unbind", "unsqueeze", "view", "_unsafe_view", "unfold"),
    *("empty", "empty_like", "empty_strided", "new_empty"),
}
FROM_PYTHON = {"lift_fresh", "scalar_tensor"}  # a tensor made of Python's numbers, on the CPU
WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "linalg_inv", "_linalg_check_errors"}


class Operators(TorchDispatchMode):
    """Counts operators by name, and the copies between devices."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()
        self.copies = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result, name = func(*args, **(kwargs or {})), func.overloadpacket.__name__
        self.names[name] += name not in VIEWS
        if name in ("_to_copy", "copy_"):
            self.copies += len({tensor.device for tensor in (*args[:2], result) if isinstance(tensor, Tensor)}) > 1
        return result


def drawn_for(
    settings: Mapping[str, Any], device: torch.device, steps: int = STEPS, batch: int = BATCH
) -> Augmentation:
    recipe = AugmentRecipe.model_validate(settings)
    return Augmentation.drawn(recipe, COLOUR, steps * batch, 3, 0, device)


def order_of(steps: int, device: torch.device = CPU, batch: int = BATCH) -> Tensor:
    return (torch.arange(steps * batch) % 12).to(device)


@pytest.fixture
def source() -> Source:
    return source_of(photos())


@pytest.fixture
def source_on_meta(source: Source) -> Source:
    scaling = Scaling(source.scaling.factor.to(META), source.scaling.offset.to(META))
    return Source(source.pixels.to(META), source.labels.to(META), scaling)


@contextmanager
def together(monkeypatch: pytest.MonkeyPatch, batches: int) -> Iterator[None]:
    """As many batches at once, as on a GPU."""
    with monkeypatch.context() as patched:
        patched.setattr(augmentation, "_batches_at_once", lambda source, size: batches)
        yield


@pytest.mark.parametrize("p", [0.5, 1.0])
@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - DRAWN_PER_PIXEL - {"jpeg"}))
def test_an_epoch_needs_one_copy_to_the_device_and_its_steps_none(name: str, p: float, source_on_meta: Source):
    with Operators() as counted:
        drawn = drawn_for({name: {"p": p}, "mix": {"mixup": 1.0, "cutmix": 1.0}}, META)
    assert counted.copies == 1
    order = order_of(STEPS, META)
    with Operators() as counted:
        assert len(list(drawn.batches(source_on_meta, order, BATCH))) == STEPS
    assert counted.copies == 0


PAINTED = [(name, {"value": value}) for name in ("erasing", "cutout") for value in ("random", 0.5)]


@pytest.mark.parametrize(("name", "settings"), [*((name, {}) for name in OPERATIONS if name != "jpeg"), *PAINTED])
def test_a_step_makes_no_tensor_of_pythons_numbers_and_reads_none(
    name: str, settings: Mapping[str, Any], source: Source
):
    drawn = drawn_for({name: {"p": 0.5, **settings}}, CPU)
    with Operators() as counted:
        list(drawn.batches(source, order_of(STEPS), BATCH))
    assert not (FROM_PYTHON | WAITS) & set(counted.names)


# The most operators of the data part of a step: augmented alone, and of each of eight steps augmented at once.
CEILINGS = {
    **dict.fromkeys(OPERATIONS, (56, 8)),
    "crop and flip": (24, 3),
    "rand_augment": (160, 21),
    "trivial_augment": (96, 13),
    "aug_mix": (180, 23),
    "iso_noise": (88, 13),
}


@pytest.mark.parametrize("name", CEILINGS)
def test_a_step_has_few_operators_and_fewer_where_several_are_augmented_at_once(
    name: str, source: Source, monkeypatch: pytest.MonkeyPatch
):
    settings = {} if name == "crop and flip" else {name: {"p": 1.0}}
    for steps, ceiling in zip((1, 8), CEILINGS[name], strict=True):
        drawn, order = drawn_for(settings, CPU, steps, 32), order_of(steps, batch=32)
        with together(monkeypatch, steps), Operators() as counted:
            list(drawn.batches(source, order, 32))
        assert sum(counted.names.values()) / steps <= ceiling


@pytest.mark.parametrize("p", [0.4, 1.0])
@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_batches_augmented_at_once_are_those_augmented_alone(
    name: str, p: float, source: Source, monkeypatch: pytest.MonkeyPatch
):
    drawn = drawn_for({name: {"p": p}, "mix": {"cutmix": 1.0}}, CPU, 5)
    alone = list(drawn.batches(source, order_of(5), BATCH))
    with together(monkeypatch, 3):
        at_once = list(drawn.batches(source, order_of(5), BATCH))
    for one, other in zip(alone, at_once, strict=True):
        torch.testing.assert_close(one.images, other.images, rtol=0, atol=1e-5)
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(one.partners, other.partners)
        assert other.images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("size", "at_once"), [(128, 16), (512, 4), (4096, 1)])
def test_a_gpu_augments_as_many_steps_at_once_as_32_mib_hold(size: int, at_once: int, source_on_meta: Source):
    assert augmentation._batches_at_once(source_on_meta, size) == at_once


def test_a_cpu_augments_one_step_at_a_time(source: Source):
    assert augmentation._batches_at_once(source, 8) == 1
