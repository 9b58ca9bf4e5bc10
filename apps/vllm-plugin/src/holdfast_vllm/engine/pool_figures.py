"""How the blocks of the pool are used."""

from __future__ import annotations

import time
from dataclasses import dataclass

from holdfast_vllm.engine.block_pool_store import BlockPoolStore
from holdfast_vllm.pins.ledger import KvLedger

#: Counting walks over blocks: about 0.1 microseconds for each, during which the engine cannot schedule. In pools of
#: this size and above, figures are kept for a while.
LARGE_POOL_BLOCKS = 16_384
KEPT_SECONDS = 0.25


@dataclass(frozen=True)
class PoolFigures:
    """Blocks by use. Together they are the pool."""

    free: int
    #: Cached and referred to by nobody, or by soft pins alone.
    evictable: int
    #: Under hard pins and used by no request.
    pinned: int
    #: Used by requests.
    active: int


class PoolCounter:
    """Counts blocks, not too often."""

    def __init__(self, store: BlockPoolStore, ledger: KvLedger) -> None:
        self._store = store
        self._ledger = ledger
        self._kept: tuple[float, PoolFigures] | None = None
        self._kept_soft: tuple[float, int] | None = None

    def figures(self) -> PoolFigures:
        """Figures now, at most a moment old. Call it under the ledger's lock."""
        now = time.monotonic()
        if self._kept is None or self._is_old(self._kept[0], now):
            self._kept = (now, self._count())
        return self._kept[1]

    def soft_share(self) -> float:
        """Share of the pool that soft pins hold and anyone can have. Call it under the ledger's lock."""
        now = time.monotonic()
        if self._kept_soft is None or self._is_old(self._kept_soft[0], now):
            self._kept_soft = (now, self._ledger.soft_blocks())
        return self._kept_soft[1] / self._store.total_blocks

    def _is_old(self, counted_at: float, now: float) -> bool:
        return self._store.total_blocks < LARGE_POOL_BLOCKS or now - counted_at > KEPT_SECONDS

    def _count(self) -> PoolFigures:
        free, cached = self._store.unreferenced()
        soft, pinned = self._ledger.soft_blocks(), self._ledger.pinned_blocks()
        return PoolFigures(free, cached + soft, pinned, self._store.total_blocks - free - cached - soft - pinned)
