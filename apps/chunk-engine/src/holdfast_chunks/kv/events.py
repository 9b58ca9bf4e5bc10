"""The log of what happened to variants."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_KEPT = 4_096


@dataclass(frozen=True)
class StoreEvent:
    """One change; `kind` is a name of holdfast.chunk.v1.EventKind without its prefix."""

    sequence: int
    kind: str
    variant_id: str = ""
    generation: int = 0
    request_id: str = ""
    detail: str = ""


class EventLog:
    """The last events, numbered from 1. Not locked: its owner is."""

    def __init__(self) -> None:
        self._events: deque[StoreEvent] = deque(maxlen=_KEPT)
        self.sequence = 0

    def add(
        self, kind: str, *, variant_id: str = "", generation: int = 0, request_id: str = "", detail: str = ""
    ) -> None:
        """Append."""
        self.sequence += 1
        self._events.append(StoreEvent(self.sequence, kind, variant_id, generation, request_id, detail))

    def since(self, sequence: int) -> tuple[list[StoreEvent], int]:
        """Events behind `sequence`, and the last sequence that is no longer kept (0: no gap)."""
        oldest = self._events[0].sequence if self._events else self.sequence + 1
        gap = oldest - 1 if sequence < oldest - 1 else 0
        return [event for event in self._events if event.sequence > sequence], gap
