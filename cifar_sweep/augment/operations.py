"""The registry of image operations: recipe key -> operation, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cifar_sweep.augment.operation import Operation

OPERATIONS: Mapping[str, Callable[[Any], Operation]] = {}
