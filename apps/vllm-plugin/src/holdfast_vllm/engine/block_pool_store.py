"""vLLM's block pool as a BlockStore."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


class BlockPoolStore:
    """Reference counts and cached blocks of `vllm.v1.core.block_pool.BlockPool`."""

    def __init__(self, block_pool: Any) -> None:
        self._pool = block_pool

    @property
    def total_blocks(self) -> int:
        """Blocks that requests can get: one is the pool's own null block."""
        return int(self._pool.num_gpu_blocks) - 1

    def references(self, block: int) -> int:
        """How many requests and pins refer to the block."""
        return int(self._pool.blocks[block].ref_cnt)

    def reference_counts(self, blocks: Iterable[int]) -> list[int]:
        """The same for many blocks, fast."""
        all_blocks = self._pool.blocks
        return [all_blocks[block].ref_cnt for block in blocks]

    def hold(self, blocks: Sequence[int]) -> None:
        """Add a reference to each block."""
        self._pool.touch([self._pool.blocks[block] for block in blocks])

    def give_back(self, blocks: Sequence[int]) -> None:
        """Take a reference off each block; the last ones are evicted first."""
        self._pool.free_blocks([self._pool.blocks[block] for block in reversed(blocks)])

    def resident_prefix(self, keys: Sequence[bytes]) -> list[int]:
        """The blocks that hold the leading keys."""
        found: list[int] = []
        for key in keys:
            block = self._pool.cached_block_hash_to_block.get_one_block(key)
            if block is None:
                break
            found.append(block.block_id)
        return found

    def unreferenced(self) -> tuple[int, int]:
        """Blocks that nobody refers to, as (holding nothing reusable, holding cached KV). Walks over the pool."""
        cached = sum(1 for block in self._pool.blocks if block.ref_cnt == 0 and block.block_hash is not None)
        return int(self._pool.get_num_free_blocks()) - cached, cached


def full_blocks(blocks: Sequence[Any]) -> tuple[list[bytes], list[int]]:
    """Keys and ids of the leading blocks of a request that can be found again: the full ones. Pure."""
    keys: list[bytes] = []
    ids: list[int] = []
    for block in blocks:
        if block.is_null or block.block_hash is None:
            break
        keys.append(block.block_hash)
        ids.append(block.block_id)
    return keys, ids
