"""The pretended device keeps a GPU's rules, and leaves torch as it was."""

from __future__ import annotations

import copy
import importlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.cuda.pretended import Device, DeviceMix, pretended
from tests.cuda.pretended.driver import visible

CUDA = torch.device("cuda", 0)


def here(*shape: int) -> Tensor:
    return torch.arange(1.0, 1 + torch.Size(shape).numel(), device="cuda").view(shape)


def test_torch_is_as_it_was_afterwards():
    importlib.import_module("torch._dynamo")  # it wraps functions of torch, and `pretended` imports it
    modules = (torch, torch.cuda, torch.accelerator, torch._C, threading.Thread)
    before = [dict(vars(module)) for module in modules]
    packages = list(torch.serialization._package_registry)
    with pretended():
        assert torch.cuda.is_available()
        assert torch.ones(2, device="cuda").device == CUDA
        with pytest.raises(RuntimeError, match="inside"):
            raise RuntimeError("inside")
    for module, names in zip(modules, before, strict=True):
        assert [name for name, value in names.items() if vars(module)[name] is not value] == []
    assert torch.serialization._package_registry == packages
    assert not torch.overrides._get_current_function_mode_stack()
    assert not torch.utils._python_dispatch._get_current_dispatch_mode_stack()
    assert torch.ones(2).device.type == "cpu"


def test_results_of_tensors_on_the_device_are_on_the_device(gpu: Device):
    there = torch.ones(2, 3, requires_grad=True, device="cuda")
    result = (there.T @ there).relu()[:2].sum()
    result.backward()
    assert {tensor.device for tensor in (result, there.grad, there.view(6), there.detach().long())} == {CUDA}
    assert there.cpu().device.type == "cpu"
    assert there.to("cpu").is_cpu
    assert torch.zeros_like(there, device="cpu").is_cpu


MIXES: dict[str, Callable[[Tensor, Tensor], object]] = {
    "sum": lambda there, host: there + host,
    "product": lambda there, host: there.view(1, -1) @ host.view(-1, 1),
    "written": lambda there, host: host.add_(there),
    "joined": lambda there, host: torch.cat([there, host]),
    "indexed": lambda there, host: host[there.long()],
    "value": lambda there, host: there.__setitem__(slice(None), there + host),
    "chosen": lambda there, host: torch.where(host > 0, there, 0.0),
    "loss": lambda there, host: nn.functional.cross_entropy(there.view(1, -1), host[:1].long()),
}


@pytest.mark.parametrize("use", MIXES.values(), ids=MIXES)
def test_two_devices_in_one_operator_are_refused(gpu: Device, use: Callable[[Tensor, Tensor], object]):
    with pytest.raises(DeviceMix):
        use(here(3), torch.ones(3))


def test_numbers_of_the_host_mix_with_the_device(gpu: Device):
    there = here(3)
    assert (there * torch.tensor(2.0)).tolist() == [2, 4, 6]
    there[1] = torch.tensor(9.0)
    assert there.tolist() == [1, 9, 3]


def test_numpy_of_a_tensor_on_the_device_is_refused(gpu: Device):
    with pytest.raises(TypeError, match="can't convert cuda:0"):
        here(3).numpy()


@pytest.mark.parametrize(("of", "to"), [("cuda", "cpu"), ("cpu", "cuda")])
def test_generator_of_the_other_device_is_refused(gpu: Device, of: str, to: str):
    generator = torch.Generator(of).manual_seed(0)
    torch.rand(2, generator=generator, device=of)
    torch.ones(2, device=of).bernoulli_(0.5, generator=generator)
    with pytest.raises(DeviceMix, match=f"'{to}' device type for generator"):
        torch.randn(2, generator=generator, device=to)


WAITS: dict[str, Callable[[Tensor], object]] = {
    "item": lambda there: there.sum().item(),
    "bool": lambda there: bool(there.any()),
    "list": lambda there: there.tolist(),
    "fetched": lambda there: there.cpu(),
    "sent": lambda there: torch.ones(3).to(there.device),
    "made": lambda there: torch.tensor([1.0], device=there.device),
    "nonzero": lambda there: there.nonzero(),
    "mask": lambda there: there[there > 1],
    "index of the host": lambda there: there[torch.tensor([0])],
    "synchronize": lambda there: torch.cuda.synchronize(),
    "saved": lambda there: torch.save(there, Path("/dev/null")),
}
RUNS_ON: dict[str, Callable[[Tensor], object]] = {
    "operators": lambda there: there.mul(2).add_(1).sum(),
    "index": lambda there: there[there.long() - 1],
    "made": lambda there: torch.full((3,), 2.0, device=there.device),
    "sent": lambda there: torch.ones(3).to(there.device, non_blocking=True),
    "fetched": lambda there: there.to("cpu", non_blocking=True),
    "one-hot": lambda there: nn.functional.one_hot(there.long(), 4),
    "clipped": lambda there: nn.utils.clip_grad_norm_([nn.Parameter(there)], 1.0),
}


@pytest.mark.parametrize("use", WAITS.values(), ids=WAITS)
def test_host_waits(gpu: Device, use: Callable[[Tensor], object]):
    there = here(3)
    with gpu.counted() as log:
        use(there)
    assert log.waits.total() >= 1


@pytest.mark.parametrize("use", RUNS_ON.values(), ids=RUNS_ON)
def test_host_does_not_wait(gpu: Device, use: Callable[[Tensor], object]):
    there = here(3)
    with gpu.counted() as log:
        use(there)
    assert not log.waits


def test_launches_are_counted_once_for_each_operator_and_views_not_at_all(gpu: Device):
    there = here(2, 3)
    with gpu.counted() as log:
        torch.empty_like(there).copy_(there.T.view(3, 2)[:, 0].add(1).expand(2, 3))
        torch._foreach_mul_([there, there.clone()], 2.0)
    assert dict(log.operators) == {"copy_": 1, "add": 1, "clone": 1, "_foreach_mul_": 1}
    assert not log.copies


def test_copies_to_the_host_have_arrived_only_after_a_wait(gpu: Device):
    early, event = here(3).to("cpu", non_blocking=True), torch.cuda.Event()
    event.record()
    late = torch.empty(3, pin_memory=True)
    late.copy_(here(3), non_blocking=True)
    assert early.isnan().all()
    event.synchronize()
    assert early.tolist() == [1, 2, 3]
    assert late.isnan().all()
    torch.cuda.synchronize()
    assert late.tolist() == [1, 2, 3]


def test_copy_holds_what_the_tensor_was_when_the_copy_was_queued(gpu: Device):
    there = here(3)
    fetched = there.to("cpu", non_blocking=True)
    there.zero_()
    torch.cuda.synchronize()
    assert fetched.tolist() == [1, 2, 3]


def test_graph_computes_at_its_replays_alone(gpu: Device):
    source, total, graph = here(3), torch.zeros(3, device="cuda"), torch.cuda.CUDAGraph()
    torch.manual_seed(5)
    with torch.cuda.graph(graph):
        drawn = torch.rand(3, device="cuda")
        total.add_(source)
        doubled = source * 2
    assert total.tolist() == [0, 0, 0]
    assert doubled.isnan().all()
    source.fill_(4)
    with gpu.counted() as log:
        graph.replay()
    assert (total.tolist(), doubled.tolist()) == ([4] * 3, [8] * 3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3, device="cuda"))
    assert (log.launches, log.waits.total()) == (1, 0)


def test_waits_and_foreign_generators_end_a_capture(gpu: Device):
    there, generator = here(3), torch.Generator("cuda")
    with pytest.raises(RuntimeError, match="not permitted when stream is capturing"), graph():
        there.sum().item()
    with pytest.raises(RuntimeError, match="not permitted when stream is capturing"), graph():
        torch.ones(3).to("cuda")
    with pytest.raises(RuntimeError, match="unregistered generator"), graph():
        torch.rand(3, device="cuda", generator=generator)
    assert there.sum().item() == 6


def graph() -> torch.cuda.graph:
    return torch.cuda.graph(torch.cuda.CUDAGraph())


def test_memory_is_counted_and_limited(gpu: Device):
    gpu.memory.total = 4000
    first = torch.zeros(500, device="cuda")
    view = first[:10]
    assert torch.cuda.memory_allocated() == 2000
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory"):
        torch.zeros(501, device="cuda")
    second = first * 2
    assert (torch.cuda.memory_allocated(), torch.cuda.max_memory_allocated()) == (4000, 4000)
    del first, second
    assert torch.cuda.memory_allocated() == 2000  # the view keeps its storage
    assert (torch.cuda.memory_reserved(), torch.cuda.mem_get_info()[0]) == (4000, 0)
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() == view.untyped_storage().nbytes() == 2000
    torch.cuda.set_per_process_memory_fraction(0.6)
    with pytest.raises(torch.OutOfMemoryError):
        torch.zeros(200, device="cuda")


def test_poisoned_context_refuses_everything(gpu: Device):
    there = here(3)
    gpu.poison()
    for use in (
        lambda: there + 1,
        torch.cuda.synchronize,
        torch.cuda.empty_cache,
        lambda: here(3),
        lambda: there.cpu(),
    ):
        with pytest.raises(RuntimeError, match="CUDA error: an illegal memory access was encountered"):
            use()
    assert (torch.ones(3) + 1).tolist() == [2, 2, 2]


def test_a_planned_launch_fails(gpu: Device):
    there = here(3)
    gpu.fail(2, RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"))
    there.add_(1)
    with pytest.raises(RuntimeError, match="EXECUTION_FAILED"):
        there.add_(1)
    there.add_(1)


def test_file_remembers_the_device(gpu: Device, tmp_path: Path):
    torch.save({"weights": here(3), "epoch": torch.tensor(2)}, tmp_path / "state.pt")
    loaded = torch.load(tmp_path / "state.pt", weights_only=True)
    assert (loaded["weights"].device, loaded["epoch"].device.type) == (CUDA, "cpu")
    assert torch.load(tmp_path / "state.pt", map_location="cpu")["weights"].is_cpu
    assert torch.load(tmp_path / "state.pt", map_location="cuda")["epoch"].is_cuda


def test_networks_and_optimizers_move_and_copy(gpu: Device):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2)).to("cuda")
    twin = copy.deepcopy(network)
    for made in (network, twin):
        assert all(tensor.is_cuda for tensor in made.state_dict().values())
        optimizer = torch.optim.AdamW(made.parameters(), lr=0.1)
        made(torch.ones(2, 3, 3, 3, device="cuda")).sum().backward()
        with gpu.counted() as log:
            optimizer.step()
        assert any(name.startswith("_foreach") for name in log.operators)  # as on a GPU, and not tensor by tensor
    with pytest.raises(DeviceMix):
        network(torch.ones(2, 3, 3, 3))


class Making(threading.Thread):
    """A thread with a `run` of its own, as Ray's have."""

    def __init__(self, devices: list[str]) -> None:
        super().__init__()
        self._devices = devices

    def run(self) -> None:
        self._devices.append(str(torch.ones(2, device="cuda").device))


def test_threads_take_part(gpu: Device):
    devices: list[str] = []
    thread = threading.Thread(target=lambda: devices.append(str(torch.ones(2, device="cuda").device)))
    for started in (thread, Making(devices)):
        started.start()
        started.join()
    assert devices == ["cuda:0"] * 2


@pytest.mark.parametrize(
    ("named", "count"),
    [(None, 2), ("", 0), ("0", 1), ("1,0", 2), ("1,-1,0", 1), ("NoDevFiles", 0), ("0,0", 1), ("5", 0)],
)
def test_visible_devices_end_at_the_first_invalid_one(named: str | None, count: int):
    assert visible(2, {} if named is None else {"CUDA_VISIBLE_DEVICES": named}) == count
