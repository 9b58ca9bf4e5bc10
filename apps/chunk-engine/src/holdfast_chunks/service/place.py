"""Place and Invalidate: where variants are, and which must go."""

from __future__ import annotations

from holdfast_chunks._generated import chunk_engine_service_pb2 as service
from holdfast_chunks._generated import chunk_pb2 as wire
from holdfast_chunks.errors import field_invalid
from holdfast_chunks.kv.store import NEVER
from holdfast_chunks.kv.variant import Variant
from holdfast_chunks.service.engine import ChunkEngine
from holdfast_chunks.service.execute import memory_tier
from holdfast_chunks.service.wire import variant_message


def place(engine: ChunkEngine, item: service.PlaceItem) -> service.PlaceResult:
    """Carry out one order. Modifies the store."""
    store, refused = engine.store, ""
    held = store.find(item.variant_id)
    if held is None or item.generation not in (0, held.variant.generation):
        reason = "not held" if held is None else f"held in generation {held.variant.generation}"
        return service.PlaceResult(variant_id=item.variant_id, refused_reason=reason)
    upper = item.tier in (wire.TIER_UNSPECIFIED, memory_tier(engine))
    if item.action == service.PLACE_ACTION_COPY:
        if upper and not store.copy_to_memory(item.variant_id):
            refused = "its bytes are damaged"
    elif item.action == service.PLACE_ACTION_DROP:
        if upper:
            store.drop_from_memory(item.variant_id)
        else:
            refused = "the copy on disk is the one that every variant has"
    elif item.action in (service.PLACE_ACTION_PIN, service.PLACE_ACTION_UNPIN):
        lease = item.lease_ms / 1e3 or NEVER
        store.pin(item.variant_id, lease_seconds=lease if item.action == service.PLACE_ACTION_PIN else 0.0)
    elif item.action == service.PLACE_ACTION_EVICT:
        store.evict_where(lambda variant: variant.variant_id == item.variant_id, "placed nowhere")
    else:
        raise field_invalid("items.action", item.action, "COPY, DROP, PIN, UNPIN or EVICT")
    after = store.find(item.variant_id)
    tiers = [] if after is None else variant_message(after, memory_tier(engine)).tiers
    return service.PlaceResult(variant_id=item.variant_id, done=not refused, refused_reason=refused, tiers=tiers)


def matches(request: service.InvalidateRequest, variant: Variant) -> bool:
    """True when a variant has every field that is set. Pure."""
    is_chunk = request.chunk_id in ("", variant.chunk_id) or request.chunk_id in variant.prefix_chunk_ids
    is_source = request.source in ("", variant.source)
    is_old = not request.keep_source_version or variant.source_version != request.keep_source_version
    is_named = not request.variant_ids or variant.variant_id in request.variant_ids
    return is_chunk and is_source and is_old and is_named and request.salt in ("", variant.salt)
