"""A pin and what it is asked for with. Times are seconds of a monotonic clock, blocks are ids of the engine's pool."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

#: The wire carries lifetimes as 32-bit milliseconds.
LONGEST_TTL_MS = 0xFFFF_FFFF


class PinChange(Enum):
    """What happened to a pin."""

    SET = "set"
    RENEWED = "renewed"
    RELEASED = "released"
    EXPIRED = "expired"
    REVOKED = "revoked"
    HIT = "hit"


class RevocationReason(Enum):
    """Which pressure took a pin."""

    GROWTH = "growth"
    OUTBID = "outbid"
    STALL = "stall"
    #: The engine was told to drop its cache.
    RESET = "reset"


@dataclass(frozen=True)
class PinTerms:
    """How a pin is to be held."""

    ttl_ms: int
    #: True: the blocks stay evictable, last of all, and take no capacity.
    soft: bool = False
    #: Seconds of completion time saved per share of the pool, the unit of a bid; infinity is allowed.
    value: float = math.inf

    def __post_init__(self) -> None:
        if not 1 <= self.ttl_ms <= LONGEST_TTL_MS:
            raise ValueError(f"ttl_ms is {self.ttl_ms}; allowed: 1 to {LONGEST_TTL_MS}")
        if math.isnan(self.value):
            raise ValueError("value is NaN; allowed: any number, or infinity")


@dataclass
class Pin:
    """A pin inside the engine: `blocks` is an unbroken prefix of the program's last finished turn."""

    program_id: str
    blocks: list[int]
    soft: bool
    value: float
    expires_at: float

    def giving_way(self) -> tuple[float, float, str]:
        """Sort key, first to give way first: lowest value, then latest expiry, then id."""
        return (self.value, -self.expires_at, self.program_id)


@dataclass(frozen=True)
class PinView:
    """A pin as others see it."""

    program_id: str
    blocks: int
    tokens: int
    expires_in_ms: int
    soft: bool
    value: float


def milliseconds_until(expires_at: float, now: float) -> int:
    """Whole milliseconds, rounded up, so that a live pin never shows 0."""
    return min(LONGEST_TTL_MS, max(0, math.ceil((expires_at - now) * 1_000)))
