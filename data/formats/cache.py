"""Values that are kept in memory while they are in use."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any


class Cache:
    """The latest values that were computed, within a budget of bytes."""

    def __init__(self, budget: int) -> None:
        """Start empty."""
        self._budget, self._used = budget, 0
        self._kept: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any, make: Callable[[], tuple[Any, int]]) -> Any:
        """The value of `key`; `make` computes it and its size in bytes."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        value, size = make()
        with self._lock:
            if key not in self._kept and size <= self._budget:
                self._kept[key] = value, size
                self._used += size
                while self._used > self._budget:
                    self._used -= self._kept.popitem(last=False)[1][1]
        return value
