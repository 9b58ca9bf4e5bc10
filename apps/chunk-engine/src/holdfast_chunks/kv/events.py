"""The log of what happened to variants."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TypedDict, Unpack

_KEPT = 4_096


class EventFields(TypedDict, total=False):
    """What an event may carry."""

    variant_id: str
    generation: int
    request_id: str
    detail: str
    tier: str
    bytes_used: int


@dataclass(frozen=True)
class StoreEvent:
    """One change; `kind` and `tier` are names of holdfast.chunk.v1 without their prefixes."""

    sequence: int
    kind: str
    variant_id: str = ""
    generation: int = 0
    request_id: str = ""
    detail: str = ""
    tier: str = ""
    bytes_used: int = 0


class EventLog:
    """The last events, numbered from 1. Not locked: its owner is."""

    def __init__(self) -> None:
        self._events: deque[StoreEvent] = deque(maxlen=_KEPT)
        self.sequence = 0

    def add(self, kind: str, **fields: Unpack[EventFields]) -> None:
        """Append."""
        self.sequence += 1
        self._events.append(StoreEvent(self.sequence, kind, **fields))

    def since(self, sequence: int) -> tuple[list[StoreEvent], int]:
        """Events behind `sequence`, and the last sequence that is no longer kept (0: no gap)."""
        oldest = self._events[0].sequence if self._events else self.sequence + 1
        gap = oldest - 1 if sequence < oldest - 1 else 0
        return [event for event in self._events if event.sequence > sequence], gap
