"""Tune a study before it starts: batch size, learning rate, execution of steps, and how many trials share a GPU."""

from cifar_sweep.tune.batch import Batches, auto_batch_size, largest_batch, out_of_memory_report
from cifar_sweep.tune.execution import settle_execution
from cifar_sweep.tune.memory import is_out_of_memory
from cifar_sweep.tune.rate import RateCurve, learning_rate_range
from cifar_sweep.tune.results import tune_batch, tune_lr
from cifar_sweep.tune.sharing import gpu_share

__all__ = [
    "Batches",
    "RateCurve",
    "auto_batch_size",
    "gpu_share",
    "is_out_of_memory",
    "largest_batch",
    "learning_rate_range",
    "out_of_memory_report",
    "settle_execution",
    "tune_batch",
    "tune_lr",
]
