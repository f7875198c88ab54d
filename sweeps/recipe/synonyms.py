"""Names of the field that mean the same: a setting that is misnamed is found by its meaning, not by its letters."""

from __future__ import annotations

from collections.abc import Iterable

SYNONYMS = (
    ("lr", "learning rate", "rate", "base lr", "initial lr", "init lr", "max lr", "peak lr", "eta", "step size"),
    ("batch size", "bs", "batch", "bsz", "minibatch", "minibatch size", "train batch size"),
    ("weight decay", "wd", "l2", "l2 penalty", "l2 regularization", "decay"),
    ("epochs", "num epochs", "n epochs", "max epochs", "total epochs", "training epochs", "iterations"),
    ("momentum", "mom", "beta", "beta1"),
    ("dropout", "dropout rate", "drop rate", "dropout p", "p drop", "keep prob"),
    ("widths", "width", "channels", "filters", "num filters", "hidden size", "hidden units", "hidden dim"),
    ("blocks", "num blocks", "n blocks", "layers", "num layers", "n layers", "depth"),
    ("activation", "act", "nonlinearity", "activation function"),
    ("norm", "normalization", "normalisation", "norm layer", "batchnorm"),
    ("label smoothing", "smoothing", "ls"),
    ("warmup epochs", "warmup", "warmup steps"),
    ("grad clip", "clip", "clipping", "gradient clipping", "clip norm", "clip grad norm", "max grad norm"),
    ("optimizer", "optimiser", "optim", "opt", "solver"),
    ("schedule", "scheduler", "lr schedule", "lr scheduler", "sched"),
    ("model", "net", "network", "architecture", "backbone"),
    ("data", "dataset"),
    ("augment", "augmentation", "augmentations", "aug", "transforms"),
    ("seed", "random state", "random seed"),
    ("run cap", "trials", "n trials", "num trials", "max trials", "num samples", "budget trials"),
    ("parameters", "search space", "space", "params", "hyperparameters"),
    ("method", "sampler", "algorithm", "search method", "search alg"),
    ("early terminate", "pruner", "pruning"),
    ("metric", "objective", "target metric"),
)  # fmt: skip


def _folded(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


_MEANINGS = {_folded(name): number for number, names in enumerate(SYNONYMS) for name in names}


def meant(key: str, keys: Iterable[str]) -> str:
    """Return the key of `keys` that `key` means; "" where none is known to mean the same.

    The last parts of dotted keys are compared: the same name, then one that is written differently (`batchsize`), then
    a synonym. A key in the section that was written wins over all others; among equals the least nested one.

    Example:
        >>> meant("learning_rate", ["epochs", "optimizer.lr"])
        'optimizer.lr'
    """
    section, _, last = key.rpartition(".")
    ranked = []
    for other in keys:
        elsewhere, _, name = other.rpartition(".")
        alike = (name == last, _folded(name) == _folded(last), _same(name, last))
        if any(alike):
            in_section = bool(section) and (elsewhere == section or _same(elsewhere, section))
            ranked.append(((in_section, -alike.index(True), -other.count(".")), other))
    return max(ranked, key=lambda pair: pair[0], default=("", ""))[1]


def _same(one: str, other: str) -> bool:
    meaning = _MEANINGS.get(_folded(one))
    return meaning is not None and meaning == _MEANINGS.get(_folded(other))
