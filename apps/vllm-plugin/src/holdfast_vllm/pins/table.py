"""The pins of one engine."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Sequence

from holdfast_vllm.errors import HoldfastError, Reason
from holdfast_vllm.pins.block_store import BlockStore
from holdfast_vllm.pins.pin import Pin, PinChange, PinTerms, PinView, RevocationReason, milliseconds_until

PinListener = Callable[[PinChange, PinView, "RevocationReason | None"], None]


class PinTable:
    """At most one pin for a program, hard ones under a cap. Every block under a pin carries one reference of it.

    Soft pins hold references, too: the engine then evicts every other block first, and `surrender` hands the blocks of
    soft pins over whenever an allocation would fail without them. So they take no capacity from anyone.
    """

    def __init__(
        self,
        store: BlockStore,
        *,
        total_blocks: int,
        block_tokens: int,
        max_pinned_fraction: float,
        listener: PinListener,
    ) -> None:
        self._store = store
        self._total_blocks = total_blocks
        self._block_tokens = block_tokens
        self._max_pinned_fraction = max_pinned_fraction
        self._listener = listener
        self._pins: dict[str, Pin] = {}
        self._hard_counts: Counter[int] = Counter()
        self._soft_counts: Counter[int] = Counter()
        self._deadlines: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._pins)

    def get(self, program_id: str) -> Pin | None:
        """The program's pin. Pure."""
        return self._pins.get(program_id)

    def views(self, now: float) -> list[PinView]:
        """All pins, in order of setting. Pure; call `expire` first."""
        return [self.view(pin, now) for pin in self._pins.values()]

    def view(self, pin: Pin, now: float) -> PinView:
        """A pin for others to see. Pure."""
        return PinView(
            program_id=pin.program_id,
            blocks=len(pin.blocks),
            tokens=len(pin.blocks) * self._block_tokens,
            expires_in_ms=milliseconds_until(pin.expires_at, now),
            soft=pin.soft,
            value=pin.value,
        )

    def giving_way(self, *, soft: bool) -> list[Pin]:
        """Pins of one firmness, first to give way first. Pure."""
        return sorted((pin for pin in self._pins.values() if pin.soft is soft), key=Pin.giving_way)

    def pins_on(self, block: int) -> int:
        """How many pins refer to the block. Pure."""
        return self._hard_counts[block] + self._soft_counts[block]

    def is_held_only_by_soft_pins(self, block: int) -> bool:
        """True when the block is evictable but for soft pins. Pure."""
        return self._hard_counts[block] == 0 and self._soft_counts[block] == self._store.references(block) > 0

    def pinned_blocks(self) -> int:
        """Blocks under hard pins that no request uses. Pure."""
        soft = self._soft_counts
        counted = zip(self._hard_counts.items(), self._store.reference_counts(self._hard_counts), strict=True)
        return sum(1 for (block, pins), references in counted if references == pins + soft[block])

    def soft_blocks(self) -> int:
        """Blocks that only soft pins refer to. Pure."""
        hard = self._hard_counts
        counted = zip(self._soft_counts.items(), self._store.reference_counts(self._soft_counts), strict=True)
        return sum(1 for (block, pins), references in counted if references == pins and block not in hard)

    def next_deadline(self) -> float | None:
        """When the next pin expires. Drops deadlines that are no longer true."""
        while self._deadlines:
            deadline, program_id = self._deadlines[0]
            pin = self._pins.get(program_id)
            if pin is not None and pin.expires_at == deadline:
                return deadline
            heapq.heappop(self._deadlines)
        return None

    def set(self, program_id: str, blocks: Sequence[int], terms: PinTerms, now: float) -> PinView:
        """Set a pin in place of the one that the program has. PIN_CAP_REACHED, and no change, beyond the cap."""
        if not terms.soft:
            self._check_cap(program_id, blocks)
        old = self._pins.get(program_id)
        self._store.hold(blocks)
        if old is not None:
            self._drop(old)
        pin = Pin(program_id, list(blocks), terms.soft, terms.value, now + terms.ttl_ms / 1_000)
        self._pins[program_id] = pin
        self._counts_of(pin).update(pin.blocks)
        heapq.heappush(self._deadlines, (pin.expires_at, program_id))
        return self._report(PinChange.SET, pin, now)

    def renew(self, program_id: str, *, ttl_ms: int, value: float | None, now: float) -> PinView:
        """Give a live pin a new time, and a new value unless it is None. It stays hard or soft."""
        pin = self._pins.get(program_id)
        if pin is None:
            raise HoldfastError(
                Reason.PIN_NOT_FOUND, f"program {program_id!r} holds no pin here", {"program_id": program_id}
            )
        pin.expires_at = now + ttl_ms / 1_000
        pin.value = pin.value if value is None else value
        heapq.heappush(self._deadlines, (pin.expires_at, program_id))
        return self._report(PinChange.RENEWED, pin, now)

    def end(self, pin: Pin, change: PinChange, now: float, reason: RevocationReason | None = None) -> None:
        """End a pin and say how."""
        self._report(change, pin, now, reason)
        self._drop(pin)

    def expire(self, now: float) -> None:
        """End every pin whose time has come."""
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            self.end(self._pins[self._deadlines[0][1]], PinChange.EXPIRED, now)

    def surrender(self, wanted: int, spared: frozenset[int], reason: RevocationReason, now: float) -> int:
        """Free up to `wanted` blocks of soft pins, the last block of the least valued pin first.

        Blocks in `spared` are left alone. A soft pin shrinks, and is revoked with its last block.
        """
        freed = 0
        for pin in self.giving_way(soft=True):
            while freed < wanted and pin.blocks:
                block = pin.blocks[-1]
                if block in spared or not self.is_held_only_by_soft_pins(block):
                    break
                freed += self._soft_counts[block] == 1
                if len(pin.blocks) == 1:
                    self.end(pin, PinChange.REVOKED, now, reason)
                    break
                self._give_back(pin, [pin.blocks.pop()])
        return freed

    def _check_cap(self, program_id: str, blocks: Sequence[int]) -> None:
        cap = int(self._total_blocks * self._max_pinned_fraction)
        old = self._pins.get(program_id)
        replaced = old.blocks if old is not None and not old.soft else []
        remaining = len(self._hard_counts) - sum(1 for block in replaced if self._hard_counts[block] == 1)
        own = set(replaced)
        added = sum(1 for block in blocks if self._hard_counts[block] - (block in own) == 0)
        if remaining + added > cap:
            raise HoldfastError(
                Reason.PIN_CAP_REACHED,
                f"hard pins may take {cap} of {self._total_blocks} blocks (max_pinned_fraction "
                f"{self._max_pinned_fraction}); with program {program_id!r} they would take {remaining + added}",
                {"program_id": program_id, "max_pinned_fraction": str(self._max_pinned_fraction)},
            )

    def _drop(self, pin: Pin) -> None:
        del self._pins[pin.program_id]
        self._give_back(pin, pin.blocks)

    def _give_back(self, pin: Pin, blocks: Sequence[int]) -> None:
        counts = self._counts_of(pin)
        for block in blocks:
            counts[block] -= 1
            if counts[block] == 0:
                del counts[block]
        self._store.give_back(blocks)

    def _counts_of(self, pin: Pin) -> Counter[int]:
        return self._soft_counts if pin.soft else self._hard_counts

    def _report(self, change: PinChange, pin: Pin, now: float, reason: RevocationReason | None = None) -> PinView:
        view = self.view(pin, now)
        self._listener(change, view, reason)
        return view
