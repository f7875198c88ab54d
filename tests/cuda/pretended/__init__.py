"""A pretended CUDA device: a CPU computes the numbers, under the rules of a GPU.

`pretended()` puts it in place of `torch.cuda` and removes it again. Meanwhile a tensor made with `device="cuda"` is an
ordinary tensor on the CPU whose storage is noted as lying on the device. Two of torch's modes see every call:

- `calls` sees Python calls (`.to`, `.cpu()`, `.numpy()`, `.device`, ...) and answers as for a tensor on a GPU;
- `operators` sees every operator, those of backward passes too, and raises where a GPU would.

Modelled: tensors on two devices in one operator; generators of the wrong device; whatever makes the host wait, and
where in the product it was called; copies between host and device, and that an asynchronous one to the host has arrived
only after a wait; CUDA graphs, recorded to a tape that computes nothing while it is recorded and is replayed into the
same memory; memory in bytes, with a limit, a cache that must be emptied, and neighbours; contexts that an error has
poisoned; launches that fail; checkpoints that remember on which device a tensor was; `CUDA_VISIBLE_DEVICES`.

Not modelled: the numerics of CUDA's kernels; cuDNN and cuBLAS; autocast's lists of operators for CUDA (those of the CPU
are used, see `test_dispatch_keys`); alignment and fragmentation of memory; the reuse of memory inside a graph; races
between streams; speed; two devices in one process; `torch.compile`. Composite operators see in C++ that a tensor lies
on the CPU, and where they branch on that, they take the CPU's branch. Threads take part that Python starts. A process
has one pretended device at a time.
"""

from tests.cuda.pretended.device import Device, DeviceMix
from tests.cuda.pretended.installed import pretended
from tests.cuda.pretended.log import Log

__all__ = ["Device", "DeviceMix", "Log", "pretended"]
