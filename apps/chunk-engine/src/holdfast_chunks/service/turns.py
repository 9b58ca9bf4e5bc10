"""One prompt at a time, in the order of arrival, and a bound on those that wait."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from holdfast_chunks.errors import ChunkEngineError, Reason

#: A waiting call looks up this often whether its caller is still there.
_LOOK_UP_SECONDS = 0.2


class Turns:
    """Hands the model to one call after the other."""

    def __init__(self, *, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._waiting: deque[object] = deque()  # the first one has its turn
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        """Calls that wait behind the one that has its turn."""
        with self._changed:
            return max(0, len(self._waiting) - 1)

    @contextmanager
    def turn(self, check: Callable[[], None]) -> Iterator[float]:
        """Wait for the turn; yields the milliseconds waited. `check` raises when waiting is no longer of use.

        Raises QUEUE_FULL.
        """
        began = time.perf_counter()
        ticket = object()
        with self._changed:
            if len(self._waiting) > self._max_waiting:
                raise ChunkEngineError(
                    Reason.QUEUE_FULL, f"{self._max_waiting} calls wait for the model, as many as may; try again later"
                )
            self._waiting.append(ticket)
        try:
            with self._changed:
                while self._waiting[0] is not ticket:
                    self._changed.wait(_LOOK_UP_SECONDS)
                    check()
            yield 1e3 * (time.perf_counter() - began)
        finally:
            with self._changed:
                self._waiting.remove(ticket)
                self._changed.notify_all()
