"""A ledger over a pool in memory, with a clock that tests move."""

from __future__ import annotations

import math

from holdfast_vllm.pins.ledger import KvLedger
from holdfast_vllm.pins.pin import PinChange, PinTerms, PinView, RevocationReason
from holdfast_vllm.pins.pressure import Admission
from tests.unit.fake_store import FakeStore, keys_of

BLOCK_TOKENS = 4


def hard(value: float = math.inf, ttl_ms: int = 10_000) -> PinTerms:
    return PinTerms(ttl_ms=ttl_ms, value=value)


def soft(value: float = math.inf, ttl_ms: int = 10_000) -> PinTerms:
    return PinTerms(ttl_ms=ttl_ms, soft=True, value=value)


class Bench:
    def __init__(self, total_blocks: int = 10, max_pinned_fraction: float = 1.0) -> None:
        self.now = 100.0
        self.events: list[tuple[PinChange, PinView, RevocationReason | None]] = []
        self.store = FakeStore(total_blocks)
        self.ledger = KvLedger(
            self.store,
            total_blocks=total_blocks,
            block_tokens=BLOCK_TOKENS,
            max_pinned_fraction=max_pinned_fraction,
            clock=lambda: self.now,
            listener=lambda *event: self.events.append(event),
        )

    @property
    def counts(self) -> tuple[int, int, int]:
        """Pins, blocks under hard pins alone, blocks under soft pins alone."""
        return self.ledger.pin_count(), self.ledger.pinned_blocks(), self.ledger.soft_blocks()

    @property
    def changes(self) -> list[str]:
        """What happened, as in "revoked a growth"."""
        return [
            f"{change.value} {view.program_id}" + (f" {reason.value}" if reason is not None else "")
            for change, view, reason in self.events
        ]

    def turn(
        self, program_id: str, blocks: int, pin: PinTerms | None = None, *, is_last: bool = False
    ) -> PinView | None:
        """Run a turn of a program from nothing to its end."""
        keys = keys_of(program_id, blocks)
        held = self.store.allocate(keys)
        view = self.ledger.finish_turn(program_id, keys, held, pin=pin, is_last=is_last)
        self.store.give_back(held)
        return view

    def grow(self, wanted: int) -> bool:
        """A running request needs so many blocks more than are free. True when it gets them."""
        target = self.store.free_blocks + wanted
        self.ledger.yield_to_growth(lambda: target - self.store.free_blocks)
        return self.store.free_blocks >= target

    def admit(
        self,
        wanted: int,
        *,
        bid: float = 0.0,
        program_id: str | None = None,
        nothing_runs: bool = False,
        hits: frozenset[int] = frozenset(),
    ) -> bool:
        """A waiting request needs so many blocks beside its hits. True when it could be admitted."""

        def lacking() -> int:
            idle_hits = sum(1 for block in hits if self.store.references(block) == 0)
            return wanted + idle_hits - self.store.free_blocks

        if lacking() <= 0:
            return True
        wish = Admission(lacking(), hits, program_id, bid, nothing_runs)
        return self.ledger.yield_to_admission(wish, lacking) and lacking() <= 0
