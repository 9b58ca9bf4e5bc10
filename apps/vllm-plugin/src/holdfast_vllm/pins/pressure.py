"""Who gives way to whom: the one rule of KvControl.

The growth of running requests takes soft pins, then the hard pin of lowest value first. A waiting request takes soft
pins, and a hard pin only if its bid exceeds the pin's value. When nothing runs, every pin may go, lowest value first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from holdfast_vllm.pins.block_store import BlockStore
from holdfast_vllm.pins.pin import Pin, PinChange, RevocationReason
from holdfast_vllm.pins.table import PinTable


@dataclass(frozen=True)
class Admission:
    """A waiting request that does not fit."""

    #: Blocks it lacks.
    lacking: int
    #: Resident blocks that it is going to use: freeing those gains nothing.
    hits: frozenset[int]
    #: Its program, whose pin it takes over anyway; what it does not hit of that pin becomes free.
    program_id: str | None
    bid: float
    nothing_runs: bool


@dataclass(frozen=True)
class Plan:
    """Hard pins that have to go before a request fits, beside the soft ones."""

    victims: list[Pin]


class Pressure:
    """Applies the rule to a table of pins."""

    def __init__(self, table: PinTable, store: BlockStore) -> None:
        self._table = table
        self._store = store

    def plan(self, wish: Admission) -> Plan | None:
        """Work out which pins make the request fit. None when all it may take would not do. Pure."""
        own = self._table.get(wish.program_id) if wish.program_id is not None else None
        soft, hard = self._table.giving_way(soft=True), self._candidates(wish)
        if sum(len(pin.blocks) for pin in (*soft, *hard, *([own] if own is not None else []))) < wish.lacking:
            return None
        lifted: Counter[int] = Counter()
        lacking = wish.lacking
        if own is not None:
            lacking -= self._lift(own, wish.hits, lifted)
        for pin in soft:
            if lacking <= 0:
                break
            lacking -= self._lift(pin, wish.hits, lifted) if pin is not own else 0
        victims: list[Pin] = []
        for pin in hard:
            if lacking <= 0:
                break
            if pin is own or not self._holds_back(pin, wish.hits):
                continue
            lacking -= self._lift(pin, wish.hits, lifted)
            victims.append(pin)
        return Plan(victims) if lacking <= 0 else None

    def carry_out(self, plan: Plan, wish: Admission, now: float) -> None:
        """Take the pins of a plan. The caller surrenders soft pins afterwards, when it knows what is still lacking."""
        own = self._table.get(wish.program_id) if wish.program_id is not None else None
        if own is not None:
            self._table.end(own, PinChange.HIT, now)
        for victim in plan.victims:
            outbids = victim.value < wish.bid
            reason = RevocationReason.OUTBID if outbids else RevocationReason.STALL
            self._table.end(victim, PinChange.REVOKED, now, reason)

    def yield_to_growth(self, lacking: Callable[[], int], now: float) -> bool:
        """Make room for a running request, as far as pins can. `lacking` is asked again after each pin that goes."""
        changed = False
        while (wanted := lacking()) > 0:
            if self._table.surrender(wanted, frozenset(), RevocationReason.GROWTH, now) == 0:
                victim = next((pin for pin in self._table.giving_way(soft=False) if self._holds_back(pin)), None)
                if victim is None:
                    return changed
                self._table.end(victim, PinChange.REVOKED, now, RevocationReason.GROWTH)
            changed = True
        return changed

    def _candidates(self, wish: Admission) -> list[Pin]:
        pins = self._table.giving_way(soft=False)
        return pins if wish.nothing_runs else [pin for pin in pins if pin.value < wish.bid]

    def _holds_back(self, pin: Pin, hits: frozenset[int] = frozenset()) -> bool:
        """True when a block of the pin would be free but for pins."""
        references, pins_on = self._store.references, self._table.pins_on
        return any(block not in hits and references(block) == pins_on(block) for block in reversed(pin.blocks))

    def _lift(self, pin: Pin, hits: frozenset[int], lifted: Counter[int]) -> int:
        """Imagine a pin away and count the blocks that become free."""
        lifted.update(pin.blocks)
        references = self._store.references
        return sum(1 for block in pin.blocks if lifted[block] == references(block) and block not in hits)
