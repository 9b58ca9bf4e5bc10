"""The engine's block pool as the pins see it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol


class BlockStore(Protocol):
    """Reference counts of blocks. A block with a count of 0 may be evicted by the engine at any time."""

    def references(self, block: int) -> int:
        """How many requests and pins refer to the block."""

    def reference_counts(self, blocks: Iterable[int]) -> list[int]:
        """The same for many blocks, fast."""

    def hold(self, blocks: Sequence[int]) -> None:
        """Add a reference to each block."""

    def give_back(self, blocks: Sequence[int]) -> None:
        """Take a reference off each block. Given in chain order; the last ones are to be evicted first."""

    def resident_prefix(self, keys: Sequence[bytes]) -> list[int]:
        """The blocks that hold the leading keys of a chain, up to the first that is not resident."""
