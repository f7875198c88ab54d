"""What to begin a study with: the largest batch that fits the device, and a learning rate that trains."""

from cifar_sweep.tune.batch import Batches, auto_batch_size, largest_batch, out_of_memory_report
from cifar_sweep.tune.found import tune_batch, tune_lr
from cifar_sweep.tune.memory import is_out_of_memory
from cifar_sweep.tune.rate import RateCurve, learning_rate_range

__all__ = [
    "Batches",
    "RateCurve",
    "auto_batch_size",
    "is_out_of_memory",
    "largest_batch",
    "learning_rate_range",
    "out_of_memory_report",
    "tune_batch",
    "tune_lr",
]
