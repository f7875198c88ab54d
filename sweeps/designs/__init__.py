"""Designs of an ablation: pure functions from a baseline and its components to the arms that are compared."""

from sweeps.designs.arms import Design, TooLarge, arms, require_affordable
from sweeps.designs.components import components_of
from sweeps.designs.fractional import fraction
from sweeps.designs.path import path_steps

__all__ = ["Design", "TooLarge", "arms", "components_of", "fraction", "path_steps", "require_affordable"]
