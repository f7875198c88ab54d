"""When training ends before its last epoch."""

from __future__ import annotations

from typing import Any

from cifar_sweep.recipe.regularization import EarlyStopping


class Patience:
    """Watches the validation accuracy, epoch by epoch."""

    def __init__(self, rule: EarlyStopping) -> None:
        self._rule = rule
        self.best: float | None = None
        self.waited = 0

    def stops(self, epoch: int, accuracy: float | None) -> bool:
        """Whether training ends after `epoch` epochs, the last of which gave `accuracy` percent; None: none held out.

        An accuracy that is not a number is no better than any.
        """
        if accuracy is not None:
            self._watch(accuracy)
        rule = self._rule
        if rule.stop_epoch is not None and epoch >= rule.stop_epoch:
            return True
        return rule.patience is not None and self.waited >= rule.patience

    def state_dict(self) -> dict[str, Any]:
        """The best accuracy so far, and the epochs since."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.best, self.waited = state["best"], state["waited"]

    def _watch(self, accuracy: float) -> None:
        if accuracy == accuracy and (self.best is None or accuracy > self.best + self._rule.min_delta):
            self.best, self.waited = accuracy, 0
        else:
            self.waited += 1
