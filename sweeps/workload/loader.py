"""Import a workload by its name."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
import traceback
import typing
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from sweeps.recipe.schema import RecipeSchema
from sweeps.workload.protocol import BadWorkload
from sweeps.workload.workload import Workload

LONGEST_NAME = 200
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def load(name: str) -> Workload:
    """Import a workload.

    Modules in the current folder can be imported too.

    Args:
        name: "package", which means its module `workload` where it has one; "package.module"; or
            "package.module:object" for an object with a method `train`, or for a function that is `train` itself.

    Raises:
        BadWorkload: There is no such module or object, a module that it imports is missing, or its `train` does not
            take (recipe, run) with an annotated recipe.

    Example:
        >>> load("examples.digits_sklearn").schema.keys["lr"]
        <class 'float'>
    """
    target = _find(name)
    train = getattr(target, "train", None)
    if not callable(train):
        train = target if callable(target) else None
    if train is None:
        raise BadWorkload(f"workload {name!r} has no function 'train' and is not a function itself")
    return Workload(name=name, schema=RecipeSchema(_recipe_type(name, train)), target=target, _train=train)


def _find(name: str) -> Any:
    module_name, _, attribute = name.partition(":")
    # The name comes from a study file: a path or a relative name must not reach the import system.
    if not _MODULE.fullmatch(module_name) or len(name) > LONGEST_NAME:
        raise BadWorkload(
            f"workload {name[:LONGEST_NAME]!r} names no module; write 'package', 'package.module' or "
            "'package.module:function'"
        )
    module = _import(name, module_name)
    if attribute:
        try:
            return getattr(module, attribute)
        except AttributeError:
            raise BadWorkload(f"module {module_name!r} has no {attribute!r} (workload {name!r})") from None
    if hasattr(module, "__path__") and importlib.util.find_spec(f"{module_name}.workload"):
        return _import(name, f"{module_name}.workload")
    return module


def _import(name: str, module_name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:  # absent when started as `sweep`, unlike `python -m sweeps`
        sys.path.insert(0, here)
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # Either the workload itself is missing, or a library that it imports.
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            raise BadWorkload(
                f"workload {name!r}: no module {error.name!r}; write 'package.module:function', "
                f"importable from {here} or installed"
            ) from None
        raise BadWorkload(f"workload {name!r} needs the module {error.name!r}, which is not installed") from error
    except Exception as error:  # whatever a stranger's module raises while it is imported
        raise BadWorkload(f"workload {name!r} cannot be imported: {_place(error)}{_first_line(error)}") from error


def _place(error: Exception) -> str:
    """Return "FILE, line N: " of the statement that failed."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}: "
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}, line {frames[-1].lineno}: "


def _first_line(error: Exception) -> str:
    text = error.msg if isinstance(error, SyntaxError) else (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {text}"


def _recipe_type(name: str, train: Callable[..., Any]) -> type:
    """The annotation of the first argument of `train`."""
    try:
        parameters = list(inspect.signature(train).parameters.values())
    except (TypeError, ValueError):  # built-in functions have no signature that can be read
        raise BadWorkload(f"workload {name!r}: the arguments of train cannot be read: write it in Python") from None
    if len(parameters) < 2:
        raise BadWorkload(f"workload {name!r}: train must take (recipe, run), but takes {len(parameters)} argument(s)")
    try:
        hints = typing.get_type_hints(train)
    except NameError as error:
        raise BadWorkload(f"workload {name!r}: the annotations of train cannot be resolved: {error}") from None
    recipe = hints.get(parameters[0].name)
    if not RecipeSchema.accepts(recipe):
        raise BadWorkload(
            f"workload {name!r}: annotate the first argument of train with a pydantic model or a dataclass, "
            f"the recipe; it is {recipe!r}"
        )
    return typing.cast(type, recipe)
