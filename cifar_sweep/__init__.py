"""The image classification workload: `workload: cifar_sweep` in a study file. Its capabilities are in `workload.py`."""
