"""Transfer learning: weights to start from, and which parameters are trained in which epoch."""

from cifar_sweep.transfer.freezing import freeze, trainable_parameters, trained_names
from cifar_sweep.transfer.loading import load_weights, require_weights

__all__ = ["freeze", "load_weights", "require_weights", "trainable_parameters", "trained_names"]
