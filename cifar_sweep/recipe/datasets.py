"""What is known of the named data sets before a file is opened: their shapes and the names of their classes."""

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
    """The indices of the classes that `subset` names, in its order. `names` are those of all `count` classes, if known.

    Raises ValueError for a name that is none of them, an index outside 0 to `count` - 1, and a class named twice.
    """
    chosen = tuple(_index(each, names, count) for each in subset)
    for place, index in enumerate(chosen):
        if index in chosen[:place]:
            raise ValueError(f"subset names class {subset[place]!r} twice")
    return chosen


def _index(each: str | int, names: Sequence[str], count: int) -> int:
    if isinstance(each, int):
        if not 0 <= each < count:
            raise ValueError(f"subset: a class index must be 0 to {count - 1} but is {each}")
        return each
    if each in names:
        return names.index(each)
    if not names:
        raise ValueError(f"subset names the class {each!r} but the data does not name its classes: give indices from 0")
    near = difflib.get_close_matches(each, names, n=3, cutoff=0.5) or names[:10]
    raise ValueError(f"subset: no class is called {each!r}; nearest: {', '.join(near)}")
