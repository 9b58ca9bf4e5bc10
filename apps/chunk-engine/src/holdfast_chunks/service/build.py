"""Build: variants of chunks behind given prefixes."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast_chunks._generated import chunk_engine_service_pb2 as service
from holdfast_chunks._generated import chunk_pb2 as wire
from holdfast_chunks.errors import ChunkEngineError, Reason, field_invalid
from holdfast_chunks.kv.files import CannotStoreError
from holdfast_chunks.kv.store import Residency
from holdfast_chunks.run.masses import Block
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
        empty = next((part.chunk_id for part in parts if part.chunk_id and not part.token_ids), None)
        if empty is not None:
            raise field_invalid(f"{name}.prefix", f"chunk {empty!r} without tokens", "chunks with at least one token")
        tokens = [token for part in parts for token in part.token_ids]
        check_tokens(engine, f"{name}.prefix", tokens)
        allowed = engine.model.config.max_positions
        if len(tokens) + len(item.token_ids) > allowed:
            raise ChunkEngineError(
                Reason.PROMPT_TOO_LONG,
                f"{name} has {len(tokens)} tokens before {len(item.token_ids)}; allowed: {allowed} together",
            )


def build(engine: ChunkEngine, item: service.BuildItem, *, with_stats: bool) -> wire.Variant:
    """Compute and store one variant. Modifies the store. Raises STORAGE_UNAVAILABLE."""
    prefixes = [
        [token for part in parts for token in part.token_ids]
        for parts in (item.prefix, *(context.parts for context in item.more_contexts))
    ]
    named = [part.chunk_id for part in item.prefix if part.chunk_id]
    variant, blocks = variant_named(item.variant, named), blocks_of(item.prefix)
    try:
        stored = engine.executor.build(variant, prefixes, list(item.token_ids), blocks if with_stats else None)
    except CannotStoreError as error:
        raise ChunkEngineError(Reason.STORAGE_UNAVAILABLE, f"variant {variant.variant_id!r}: {error}") from error
    if item.variant.tier == wire.TIER_DISK:
        engine.store.drop_from_memory(stored.variant_id)
    held = engine.store.find(stored.variant_id)
    return variant_message(held or Residency(stored, is_in_memory=False, is_pinned=False), memory_tier(engine))


def blocks_of(parts: Iterable[service.BuildPart]) -> list[Block]:
    """Blocks that tile a prefix, the last of them its chunks; text behind a chunk counts to it. Pure."""
    blocks: list[Block] = []
    for part in parts:
        start = blocks[-1][1] if blocks else 0
        end = start + len(part.token_ids)
        if blocks and not part.chunk_id:
            blocks[-1] = (blocks[-1][0], end)
        elif end > start:
            blocks.append((start, end))
    return blocks
