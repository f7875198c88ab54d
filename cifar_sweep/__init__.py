"""The image classification workload, `workload: cifar_sweep` in a study file; `workload.py` has its capabilities."""

import os
import sys

if sys.platform == "darwin":
    # An operation that torch does not have for Apple's GPUs then runs on the CPU, with a warning, instead of failing.
    # torch reads this when it is imported, which comes later.
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
