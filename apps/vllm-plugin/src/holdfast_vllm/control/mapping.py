"""Between the plug-in's own types and the messages of holdfast.kv.v1. Pure."""

from __future__ import annotations

from holdfast_vllm._generated import kv_pb2
from holdfast_vllm.control.stats import EngineFacts, EngineStats
from holdfast_vllm.pins.pin import PinChange, PinView, RevocationReason

_CHANGES = {
    PinChange.SET: kv_pb2.PIN_CHANGE_SET,
    PinChange.RENEWED: kv_pb2.PIN_CHANGE_RENEWED,
    PinChange.RELEASED: kv_pb2.PIN_CHANGE_RELEASED,
    PinChange.EXPIRED: kv_pb2.PIN_CHANGE_EXPIRED,
    PinChange.REVOKED: kv_pb2.PIN_CHANGE_REVOKED,
    PinChange.HIT: kv_pb2.PIN_CHANGE_HIT,
}

_REASONS = {
    None: kv_pb2.REVOCATION_REASON_UNSPECIFIED,
    RevocationReason.GROWTH: kv_pb2.REVOCATION_REASON_GROWTH,
    RevocationReason.OUTBID: kv_pb2.REVOCATION_REASON_OUTBID,
    RevocationReason.STALL: kv_pb2.REVOCATION_REASON_STALL,
    # The interface has no word for a cache that is dropped by order.
    RevocationReason.RESET: kv_pb2.REVOCATION_REASON_UNSPECIFIED,
}


def pin_message(view: PinView) -> kv_pb2.Pin:
    """A pin on the wire."""
    return kv_pb2.Pin(
        program_id=view.program_id,
        pinned_blocks=view.blocks,
        pinned_tokens=view.tokens,
        expires_in_ms=view.expires_in_ms,
        soft=view.soft,
        value=view.value,
    )


def event_message(sequence: int, change: PinChange, view: PinView, reason: RevocationReason | None) -> kv_pb2.PinEvent:
    """A change of a pin on the wire."""
    return kv_pb2.PinEvent(sequence=sequence, change=_CHANGES[change], pin=pin_message(view), reason=_REASONS[reason])


def stats_message(stats: EngineStats, facts: EngineFacts) -> kv_pb2.KvStats:
    """Stats on the wire."""
    return kv_pb2.KvStats(
        epoch=facts.epoch,
        total_blocks=facts.total_blocks,
        free_blocks=stats.free_blocks,
        evictable_blocks=stats.evictable_blocks,
        pinned_blocks=stats.pinned_blocks,
        active_blocks=stats.active_blocks,
        block_size=facts.block_tokens,
        running_requests=stats.running_requests,
        waiting_requests=stats.waiting_requests,
        pins=stats.pins,
        preemptions=stats.preemptions,
        prompt_tokens=stats.prompt_tokens,
        cached_tokens=stats.cached_tokens,
        output_tokens=stats.output_tokens,
    )
