"""What is worked out once for each body and kept as long as that body is."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from .body import Body

T = TypeVar("T")


def once_per_body(function: Callable[[Body], T]) -> Callable[[Body], T]:
    """The function, which keeps its result for each body and lets both go with the body.

    The result must not refer to the body, or neither would ever go.
    """
    results: WeakKeyDictionary[Body, T] = WeakKeyDictionary()

    @wraps(function)
    def kept(body: Body) -> T:
        if body not in results:
            results[body] = function(body)
        return results[body]

    return kept
