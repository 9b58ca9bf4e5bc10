"""What the engine knows about pins, behind one lock: the engine's own thread and the threads of KvControl share it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from holdfast_vllm.errors import HoldfastError, Reason
from holdfast_vllm.pins.block_store import BlockStore
from holdfast_vllm.pins.history import ProgramHistory
from holdfast_vllm.pins.pin import PinChange, PinTerms, PinView, RevocationReason
from holdfast_vllm.pins.pressure import Admission, Pressure
from holdfast_vllm.pins.table import PinListener, PinTable

#: Keys that are remembered for later pins, per block of the pool.
HISTORY_KEYS_PER_BLOCK = 4


class KvLedger:
    """Pins, the programs' last turns, and the rule of pressure.

    Every method takes `lock`, which is reentrant; hold it around several calls, or around changes to the block pool.
    Each one first ends the pins whose time has come, so no pin outlives its time in anything that is seen.
    """

    def __init__(  # noqa: PLR0913
        self,
        store: BlockStore,
        *,
        total_blocks: int,
        block_tokens: int,
        max_pinned_fraction: float,
        clock: Callable[[], float],
        listener: PinListener,
    ) -> None:
        self.lock = threading.RLock()
        self._deadline_changed = threading.Condition(self.lock)
        self._store = store
        self._clock = clock
        self._table = PinTable(
            store,
            total_blocks=total_blocks,
            block_tokens=block_tokens,
            max_pinned_fraction=max_pinned_fraction,
            listener=listener,
        )
        self._pressure = Pressure(self._table, store)
        self._history = ProgramHistory(total_blocks * HISTORY_KEYS_PER_BLOCK)

    def expire(self) -> float:
        """End the pins whose time has come; returns now."""
        with self.lock:
            now = self._clock()
            self._table.expire(now)
            return now

    def wait_for_deadline(self, longest_seconds: float) -> None:
        """Sleep until the next pin expires, or a pin is set or renewed, or that long; then end what is due."""
        with self.lock:
            now = self.expire()
            deadline = self._table.next_deadline()
            self._deadline_changed.wait(longest_seconds if deadline is None else min(longest_seconds, deadline - now))
            self.expire()

    def finish_turn(
        self, program_id: str, keys: Sequence[bytes], blocks: Sequence[int], *, pin: PinTerms | None, is_last: bool
    ) -> PinView | None:
        """Note a finished turn whose full blocks are `blocks`, and set the pin that its hints asked for.

        Call it while the request still refers to its blocks. None when no pin is held for it afterwards.
        """
        with self.lock:
            now = self.expire()
            if is_last:
                self._history.forget(program_id)
                self.release(program_id)
                return None
            self._history.remember(program_id, keys)
            if pin is None or not blocks:
                return None
            try:
                return self._set(program_id, blocks, pin, now)
            except HoldfastError as error:
                if error.reason is not Reason.PIN_CAP_REACHED:
                    raise
                return None

    def pin(self, program_id: str, terms: PinTerms) -> PinView:
        """Pin what is still resident of the program's last finished turn. KV_NOT_RESIDENT, PIN_CAP_REACHED."""
        with self.lock:
            now = self.expire()
            blocks = self._store.resident_prefix(self._history.keys_of(program_id))
            if not blocks:
                raise HoldfastError(
                    Reason.KV_NOT_RESIDENT,
                    f"no KV of program {program_id!r} is resident: it has finished no turn here, or the KV is evicted",
                    {"program_id": program_id},
                )
            return self._set(program_id, blocks, terms, now)

    def renew(self, program_id: str, *, ttl_ms: int, value: float | None) -> PinView:
        """Give a live pin a new time and value. PIN_NOT_FOUND."""
        with self.lock:
            view = self._table.renew(program_id, ttl_ms=ttl_ms, value=value, now=self.expire())
            self._deadline_changed.notify_all()
            return view

    def release(self, program_id: str) -> bool:
        """Give a pin up. False when there was none."""
        with self.lock:
            now = self.expire()
            pin = self._table.get(program_id)
            if pin is None:
                return False
            self._table.end(pin, PinChange.RELEASED, now)
            return True

    def pins(self) -> list[PinView]:
        """Live pins, in order of setting."""
        with self.lock:
            return self._table.views(self.expire())

    def pin_count(self) -> int:
        """Live pins."""
        with self.lock:
            self.expire()
            return len(self._table)

    def pinned_blocks(self) -> int:
        """Blocks under hard pins that no request uses."""
        with self.lock:
            self.expire()
            return self._table.pinned_blocks()

    def soft_blocks(self) -> int:
        """Blocks that only soft pins hold."""
        with self.lock:
            self.expire()
            return self._table.soft_blocks()

    def take_over(self, program_id: str) -> None:
        """The program's next turn refers to the blocks itself now: its pin has done its work."""
        with self.lock:
            now = self.expire()
            pin = self._table.get(program_id)
            if pin is not None:
                self._table.end(pin, PinChange.HIT, now)

    def yield_to_growth(self, lacking: Callable[[], int]) -> bool:
        """Make room for a running request. False when no pin gave way."""
        with self.lock:
            return self._pressure.yield_to_growth(lacking, self.expire())

    def yield_to_admission(self, wish: Admission, lacking: Callable[[], int]) -> bool:
        """Make room for a waiting request if it then fits. False, and no change, when it would not."""
        with self.lock:
            now = self.expire()
            plan = self._pressure.plan(wish)
            if plan is None:
                return False
            self._pressure.carry_out(plan, wish, now)
            reason = RevocationReason.STALL if wish.nothing_runs else RevocationReason.OUTBID
            self._table.surrender(lacking(), wish.hits, reason, now)
            return True

    def drop_all(self) -> None:
        """The engine drops its cache: every pin is revoked, every program forgotten."""
        with self.lock:
            now = self.expire()
            for view in self._table.views(now):
                pin = self._table.get(view.program_id)
                if pin is not None:
                    self._table.end(pin, PinChange.REVOKED, now, RevocationReason.RESET)
            self._history.clear()

    def _set(self, program_id: str, blocks: Sequence[int], terms: PinTerms, now: float) -> PinView:
        view = self._table.set(program_id, blocks, terms, now)
        self._deadline_changed.notify_all()
        return view
