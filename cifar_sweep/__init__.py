"""The image classification workload, `workload: cifar_sweep` in a study file; `workload.py` has its capabilities."""
