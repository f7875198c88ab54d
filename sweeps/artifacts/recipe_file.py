"""Read the recipe that a trial was trained with from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from sweeps.artifacts.layout import RECIPE
from sweeps.io.errors import Unavailable
from sweeps.io.escape import one_line


def read_recipe(folder: Path) -> dict[str, Any]:
    """Return the whole recipe in a trial's folder as nested settings; empty if the trial has none.

    Raises:
        Unavailable: The file cannot be read as a recipe.
    """
    file = folder / RECIPE
    if not file.exists():
        return {}
    try:
        settings = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, LookupError, RecursionError, YAMLError) as error:
        raise _no_recipe(file, one_line(str(error))) from None
    if settings is not None and not isinstance(settings, Mapping):
        raise _no_recipe(file, f"it has a {type(settings).__name__} instead of settings")
    return dict(settings or {})


def _no_recipe(file: Path, why: str) -> Unavailable:
    return Unavailable(f"{file} is not the recipe of a trial: {why}; restore the file, or name another trial")
