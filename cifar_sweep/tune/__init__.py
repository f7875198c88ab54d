"""Tune a study before it starts: batch size, learning rate, execution of steps, and how many trials share a GPU."""

from cifar_sweep.tune.batch_size.batch import auto_batch_size, largest_batch, out_of_memory_report
from cifar_sweep.tune.rate import learning_rate_range
from cifar_sweep.tune.results import tune_lr

__all__ = [
    "auto_batch_size",
    "largest_batch",
    "learning_rate_range",
    "out_of_memory_report",
    "tune_lr",
]
