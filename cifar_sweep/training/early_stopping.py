"""Early stopping: end a training before its last epoch."""

from __future__ import annotations

from typing import Any

from cifar_sweep.recipe.regularization import EarlyStopping


class Patience:
    """Track the validation accuracy and decide when training stops.

    Attributes:
        best: Best accuracy so far, in percent; None before the first one.
        waited: Epochs in a row without an accuracy above `best` plus the rule's `min_delta`.
    """

    def __init__(self, rule: EarlyStopping) -> None:
        self._rule = rule
        self.best: float | None = None
        self.waited = 0

    def stops(self, epoch: int, accuracy: float | None) -> bool:
        """Count an epoch and return whether training ends after it.

        Args:
            epoch: Number of epochs finished so far, this one included.
            accuracy: Validation accuracy after this epoch, in percent; None where no images are held out. NaN counts
                as no improvement.
        """
        if accuracy is not None:
            self._count(accuracy)
        rule = self._rule
        if rule.stop_epoch is not None and epoch >= rule.stop_epoch:
            return True
        return rule.patience is not None and self.waited >= rule.patience

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint needs: the best accuracy and the epochs since."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`."""
        self.best, self.waited = state["best"], state["waited"]

    def _count(self, accuracy: float) -> None:
        is_number = accuracy == accuracy  # NaN differs from itself
        if is_number and (self.best is None or accuracy > self.best + self._rule.min_delta):
            self.best, self.waited = accuracy, 0
        else:
            self.waited += 1
