"""Facts about the named data sets that need no file: their shapes, sizes and the names of their classes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from cifar_sweep.schema import Shape

SHAPES: Mapping[str, Shape] = {
    "digits": Shape(channels=1, size=8, classes=10),
    "cifar10": Shape(channels=3, size=32, classes=10),
    "cifar100": Shape(channels=3, size=32, classes=100),
    "stl10": Shape(channels=3, size=96, classes=10),
}

TRAINING_IMAGES: Mapping[str, int] = {"digits": 1_500, "cifar10": 50_000, "cifar100": 50_000, "stl10": 5_000}

_CIFAR100 = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
    man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
    pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
    skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
    tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""

CLASS_NAMES: Mapping[str, tuple[str, ...]] = {
    "digits": tuple("0123456789"),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "cifar100": tuple(_CIFAR100.split()),
    "stl10": ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"),
}

# CIFAR-100's 20 coarse classes, in the order of its coarse labels.
_COARSE = """
    aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices household_furniture
    insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes large_omnivores_and_herbivores
    medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1 vehicles_2
"""
COARSE_NAMES = tuple(_COARSE.split())


def chosen_classes(subset: Sequence[str | int], names: Sequence[str], count: int) -> tuple[int, ...]:
    """Return the indices of the classes of a subset, in its order.

    Args:
        subset: Names or indices of classes.
        names: Names of all classes, in the order of the labels; empty where they are unknown.
        count: Number of all classes.

    Raises:
        ValueError: A name is unknown, an index is outside 0 to `count` - 1, or a class is named twice.
    """
    indices = tuple(_index(entry, names, count) for entry in subset)
    for place, index in enumerate(indices):
        if index in indices[:place]:
            raise ValueError(f"subset names class {subset[place]!r} twice")
    return indices


def _index(entry: str | int, names: Sequence[str], count: int) -> int:
    if isinstance(entry, int):
        if not 0 <= entry < count:
            raise ValueError(f"subset: a class index must be 0 to {count - 1} but is {entry}")
        return entry
    if entry in names:
        return names.index(entry)
    if not names:
        raise ValueError(
            f"subset names the class {entry!r} but the data does not name its classes: give indices from 0"
        )
    nearest = difflib.get_close_matches(entry, names, n=3, cutoff=0.5) or names[:10]
    raise ValueError(f"subset: no class is called {entry!r}; nearest: {', '.join(nearest)}")
