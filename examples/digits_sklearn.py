"""A workload without torch in twenty lines: `workload: examples.digits_sklearn` in a study file."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

from sweeps.workload import Run, stream


@dataclass(frozen=True)
class Recipe:
    """A linear classifier of handwritten digits: its step size, its penalty, and how long it learns."""

    lr: float = 0.01
    alpha: float = 1e-4
    penalty: Literal["l2", "l1", "elasticnet"] = "l2"
    epochs: int = 5


def percentages() -> list[str]:
    """The metrics in percent; without this function they are plain numbers."""
    return ["accuracy"]


def train(recipe: Recipe, run: Run) -> Iterator[dict[str, float]]:
    """Learn by stochastic gradient descent, one pass per epoch, validating on a fifth of the digits."""
    x, y = load_digits(return_X_y=True)
    x, x_val, y, y_val = train_test_split(
        x / 16, y, test_size=0.2, stratify=y, random_state=stream(run.split_seed, "split") % 2**32
    )
    rate = {"learning_rate": "constant", "eta0": recipe.lr}
    model = SGDClassifier(loss="log_loss", alpha=recipe.alpha, penalty=recipe.penalty, shuffle=False, **rate)
    epoch = 0
    if run.restored:
        saved = np.load(run.restored / "model.npz")
        epoch, model.t_, model.classes_ = int(saved["epoch"]), float(saved["t"]), saved["classes"]
        model.coef_, model.intercept_ = saved["coef"], saved["intercept"]
    while epoch < recipe.epochs:
        order = np.random.default_rng(stream(run.seed, "order", epoch)).permutation(len(y))
        model.partial_fit(x[order], y[order], classes=np.arange(10))
        epoch += 1
        yield {"val_accuracy": 100 * float(model.score(x_val, y_val))}
        state = {"coef": model.coef_, "intercept": model.intercept_, "t": model.t_, "classes": model.classes_}
        run.save("model.npz", {"epoch": epoch, **state}, lambda state, file: np.savez(file, **state))
