"""The fixtures of the workload's own tests."""

from tests.cifar_sweep.conftest import cifar10_dir, curve, data_dir, make_recipe, make_run, tiny_study, unpacked

__all__ = ["cifar10_dir", "curve", "data_dir", "make_recipe", "make_run", "tiny_study", "unpacked"]
