"""Calls of libraries that call back into Python, safe from Ctrl-C.

Python runs signal handlers in the main thread, between any two instructions: also in a callback
that C code has just entered. What a handler raises there is lost (ctypes and cffi print or drop
it), and the library goes on with the data of that callback missing: the interrupt does nothing,
and a recording is cut short. In another thread no handler ever runs.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def uninterrupted(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """``function`` in a thread of its own (0.1 ms); an interrupt is raised when it has returned."""

    @wraps(function)
    def called(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(function, *args, **kwargs).result()

    return called
