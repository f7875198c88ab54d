"""Put the two errors of an accuracy on a labelled set into words."""

from __future__ import annotations

from sweeps.evidence.crossed import Basis, SetAccuracy
from sweeps.formatting import MetricFormat, count

_REMARKS = {Basis.APPROXIMATE: ", as if all seeds erred on the same images", Basis.IMAGES: ", by the images alone"}


def accuracy_text(accuracy: SetAccuracy, words: MetricFormat) -> str:
    """Return an accuracy with both errors, for a sentence.

    "91.20 % (95 % CI over seeds 90.90 to 91.50 %; for accuracy on such images 90.50 to 91.80 %; n = 3 seeds, 10,000
    images)". Where the number of images is unknown it says that the error of the images is missing.
    """
    seeds = f"n = {count(accuracy.n, 'seed')}"
    if accuracy.such is None and accuracy.n == 1:
        return f"{words.show(accuracy.mean)} ({seeds}: a single run, so without an interval)"
    if accuracy.such is None or accuracy.images is None:
        return f"{words.show(accuracy.mean)} ({_over_seeds(accuracy, words)}, {seeds}; the images' error is not known)"
    such = f"for accuracy on such images {_range(accuracy.such, words)}{_REMARKS.get(accuracy.basis, '')}"
    return f"{words.show(accuracy.mean)} ({_over_seeds(accuracy, words)}; {such}; {seeds}, {_images(accuracy.images)})"


def _over_seeds(accuracy: SetAccuracy, words: MetricFormat) -> str:
    if accuracy.seeds is not None:
        return f"95 % CI over seeds {_range((accuracy.seeds.low, accuracy.seeds.high), words)}"
    return "95 % CI: a single run has none over seeds" if accuracy.n == 1 else "95 % CI: none over so few seeds"


def _range(ends: tuple[float, float], words: MetricFormat) -> str:
    low, high = map(words.show, ends)
    return f"{low.removesuffix(' %')} to {high}"


def _images(number: int) -> str:
    return count(number, "image")
