"""Build: variants of chunks behind given prefixes."""

from __future__ import annotations

from holdfast_chunks._generated import chunk_engine_service_pb2 as service
from holdfast_chunks._generated import chunk_pb2 as wire
from holdfast_chunks.errors import ChunkEngineError, Reason
from holdfast_chunks.kv.store import Residency
from holdfast_chunks.service.engine import ChunkEngine
from holdfast_chunks.service.execute import check_tokens, memory_tier
from holdfast_chunks.service.wire import variant_message, variant_named


def check_build(engine: ChunkEngine, name: str, item: service.BuildItem) -> None:
    """Raise what is wrong with an item, before it waits for its turn."""
    variant_named(item.variant, ())
    if not item.token_ids:
        raise ChunkEngineError(Reason.PROMPT_EMPTY, f"{name}.token_ids is empty; allowed: at least one token")
    check_tokens(engine, f"{name}.token_ids", list(item.token_ids))
    for parts in (item.prefix, *(context.parts for context in item.more_contexts)):
        tokens = [token for part in parts for token in part.token_ids]
        check_tokens(engine, f"{name}.prefix", tokens)
        allowed = engine.model.config.max_positions
        if len(tokens) + len(item.token_ids) > allowed:
            raise ChunkEngineError(
                Reason.PROMPT_TOO_LONG,
                f"{name} has {len(tokens)} tokens before {len(item.token_ids)}; allowed: {allowed} together",
            )


def build(engine: ChunkEngine, item: service.BuildItem, *, with_stats: bool) -> wire.Variant:
    """Compute and store one variant. Modifies the store."""
    prefixes = [
        [token for part in parts for token in part.token_ids]
        for parts in (item.prefix, *(context.parts for context in item.more_contexts))
    ]
    named = [part.chunk_id for part in item.prefix if part.chunk_id]
    blocks, at = [], 0
    for part in item.prefix:
        blocks.append((at, at + len(part.token_ids)))
        at += len(part.token_ids)
    stored = engine.executor.build(
        variant_named(item.variant, named), prefixes, list(item.token_ids), blocks if with_stats else None
    )
    if item.variant.tier == wire.TIER_DISK:
        engine.store.drop_from_memory(stored.variant_id)
    held = engine.store.find(stored.variant_id)
    return variant_message(held or Residency(stored, is_in_memory=False, is_pinned=False), memory_tier(engine))
