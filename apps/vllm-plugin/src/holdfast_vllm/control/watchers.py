"""Who watches the pins."""

from __future__ import annotations

import queue
import threading

from holdfast_vllm._generated import kv_pb2
from holdfast_vllm.control.mapping import event_message
from holdfast_vllm.errors import HoldfastError, Reason
from holdfast_vllm.pins.pin import PinChange, PinView, RevocationReason

#: Watch calls at once; each one occupies a thread.
MAX_WATCHERS = 16
#: Events that wait for a slow watcher. Beyond it events are dropped, which their sequence numbers show.
MAX_HELD_EVENTS = 1_024


class Watcher:
    """One Watch call."""

    def __init__(self) -> None:
        # One place more than events may take, for the wake-up.
        self._events: queue.Queue[kv_pb2.PinEvent | None] = queue.Queue(MAX_HELD_EVENTS + 1)

    def offer(self, event: kv_pb2.PinEvent) -> None:
        """Add an event unless too many wait. Never blocks."""
        if self._events.qsize() < MAX_HELD_EVENTS:
            self._events.put_nowait(event)

    def wake(self) -> None:
        """Make `next` return at once. Never blocks."""
        try:
            self._events.put_nowait(None)
        except queue.Full:
            # Then there is something to return, and `next` returns without this.
            return

    def next(self, longest_seconds: float) -> kv_pb2.PinEvent | None:
        """The next event. None when there is none for that long, or on `wake`."""
        try:
            return self._events.get(timeout=max(0.0, longest_seconds))
        except queue.Empty:
            return None


class Watchers:
    """Hands pin events to all watchers, numbered from 1."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchers: set[Watcher] = set()
        self._sequence = 0
        self.is_closed = False

    @property
    def count(self) -> int:
        """How many watch now."""
        return len(self._watchers)

    def publish(self, change: PinChange, view: PinView, reason: RevocationReason | None) -> None:
        """Tell all watchers. Never blocks on one of them."""
        with self._lock:
            self._sequence += 1
            if self._watchers:
                event = event_message(self._sequence, change, view, reason)
                for watcher in self._watchers:
                    watcher.offer(event)

    def join(self) -> Watcher:
        """Add a watcher. QUEUE_FULL when there are too many."""
        with self._lock:
            if len(self._watchers) >= MAX_WATCHERS:
                raise HoldfastError(
                    Reason.QUEUE_FULL, f"{MAX_WATCHERS} callers watch already; allowed: {MAX_WATCHERS} at once"
                )
            watcher = Watcher()
            self._watchers.add(watcher)
            return watcher

    def leave(self, watcher: Watcher) -> None:
        """Remove a watcher."""
        with self._lock:
            self._watchers.discard(watcher)

    def close(self) -> None:
        """Wake all watchers, so that their calls end."""
        with self._lock:
            self.is_closed = True
            for watcher in self._watchers:
                watcher.wake()
