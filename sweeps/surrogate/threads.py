"""Keep the surrogate's linear algebra on one core."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def on_one_core(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Return a function that runs with one thread of BLAS.

    The matrices have a few hundred rows: more threads save little, and where trials train on all cores their threads
    wait for each other.
    """

    @wraps(function)
    def limited(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        with _controller().limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited


@cache
def _controller() -> ThreadpoolController:
    # Looking for the libraries takes milliseconds. Those of numpy and scipy are loaded when a proposal is made.
    return ThreadpoolController()
