"""What the engine can tell about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class EngineFacts:
    """What never changes while the engine lives."""

    epoch: str
    engine_version: str
    total_blocks: int
    block_tokens: int
    max_running_requests: int
    max_pinned_fraction: float
    orders_by_rank: bool
    host_blocks: int = 0


@dataclass(frozen=True)
class EngineStats:
    """The pool and the queues now. total = free + evictable + pinned + active."""

    free_blocks: int
    evictable_blocks: int
    pinned_blocks: int
    active_blocks: int
    running_requests: int
    waiting_requests: int
    pins: int
    preemptions: int
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int


class EngineAccess(Protocol):
    """What the service asks of the scheduler. Safe to call from any thread."""

    def stats(self) -> EngineStats:
        """The stats now."""

    def rerank(self, request_id: str, rank: int) -> bool:
        """Give a request another rank. False when it is not here."""
