"""How many blocks a request lacks: what `KVCacheManager.allocate_slots` does not say when it returns None."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Demand:
    """One call of `allocate_slots`, for models with one group of full attention."""

    manager: Any
    request: Any
    block_tokens: int
    max_model_len: int
    num_new_tokens: int
    #: The keyword arguments of the call.
    call: dict[str, Any]
    #: The request waits: the manager then keeps its watermark free.
    is_waiting: bool

    def hits(self) -> frozenset[int]:
        """Blocks of the prefix cache that the request is going to use. Pure."""
        return frozenset(block.block_id for block in self._hit_blocks())

    def lacking(self) -> int:
        """Blocks that have to become free before the call succeeds; 0 or less when it would. Pure."""
        hit_blocks = self._hit_blocks()
        owned = len(self.manager.get_blocks(self.request.request_id).blocks[0])
        new = max(0, -(-self._tokens() // self.block_tokens) - owned - len(hit_blocks))
        # Hits that nobody refers to count as free until the request takes them.
        new += sum(1 for block in hit_blocks if block.ref_cnt == 0)
        watermark = (
            self.manager.watermark_blocks if self.is_waiting and self.call.get("has_scheduled_reqs", True) else 0
        )
        free = self.manager.block_pool.get_num_free_blocks() - self.call.get("reserved_blocks", 0)
        return int(new + watermark - free)

    def cached_tokens(self) -> int:
        """Tokens of the prompt that the cache holds. Pure."""
        return int(self.call.get("num_new_computed_tokens", 0))

    def _hit_blocks(self) -> list[Any]:
        found = self.call.get("new_computed_blocks")
        return [] if found is None else list(found.blocks[0])

    def _tokens(self) -> int:
        """Tokens that must have a slot when the call is over."""
        computed = self.request.num_computed_tokens + self.cached_tokens()
        computed += self.call.get("num_external_computed_tokens", 0)
        tokens = computed + self.num_new_tokens + self.call.get("num_lookahead_tokens", 0)
        if self.call.get("full_sequence_must_fit", False):
            tokens = max(tokens, self.request.num_tokens)
        return int(min(tokens, self.max_model_len))
