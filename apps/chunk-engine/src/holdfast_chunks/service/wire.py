"""Plans and variants between the wire and this package. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast_chunks._generated import chunk_engine_service_pb2 as service
from holdfast_chunks._generated import chunk_pb2 as wire
from holdfast_chunks.errors import field_invalid
from holdfast_chunks.kv.events import StoreEvent
from holdfast_chunks.kv.store import Residency
from holdfast_chunks.kv.variant import Variant
from holdfast_chunks.run.decode import Sampling
from holdfast_chunks.run.executor import SegmentWork
from holdfast_chunks.run.masses import SegmentMasses
from holdfast_chunks.run.plan import Fix, Plan, RequestFix, Segment, Selector, Work, ranges_of

_TOP_RANK = 255


def plan_of(message: wire.Plan, prompt_tokens: int) -> Plan:
    """The plan of a request; without segments everything is computed. Raises FIELD_INVALID."""
    if not message.segments:
        return Plan((Segment(0, 0, prompt_tokens, Work.COMPUTE),))
    segments = tuple(_segment(at, segment) for at, segment in enumerate(message.segments))
    request_fix = None
    if message.HasField("request_fix"):
        fix = message.request_fix
        request_fix = RequestFix(
            _selector("plan.request_fix.selector", fix.selector), fix.token_count, fix.first_tokens, fix.seed
        )
        if any(segment.fix is not None for segment in segments):
            raise field_invalid("plan.request_fix", "set", "unset when a segment has a fix of its own")
    return Plan(segments, request_fix, message.max_loaded_bytes)


def _segment(at: int, message: wire.Segment) -> Segment:
    name, kind = f"plan.segments[{at}]", message.WhichOneof("work")
    start, end, segment_id = message.range.start, message.range.end, message.segment_id
    if kind == "compute":
        return Segment(segment_id, start, end, Work.COMPUTE, is_question=message.compute.question)
    if kind == "prefix":
        prefix = message.prefix
        return Segment(
            segment_id,
            start,
            end,
            Work.PREFIX,
            variant_id=prefix.variant_id,
            generation=prefix.generation,
            token_digest=prefix.token_digest,
            fails_on_miss=prefix.on_miss == wire.MISS_ACTION_FAIL,
        )
    if kind == "reuse":
        reuse = message.reuse
        alternates = tuple(reuse.alternate_variant_ids) if reuse.on_miss == wire.MISS_ACTION_ALTERNATE else ()
        return Segment(
            segment_id,
            start,
            end,
            Work.REUSE,
            variant_id=reuse.variant_id,
            generation=reuse.generation,
            token_digest=reuse.token_digest,
            fix=_fix(f"{name}.reuse.fix", reuse.fix) if reuse.HasField("fix") else None,
            stop_after=reuse.layers.stop_after,
            alternates=alternates,
            fails_on_miss=reuse.on_miss == wire.MISS_ACTION_FAIL,
        )
    raise field_invalid(f"{name}.work", "unset", "compute, prefix or reuse")


def _fix(name: str, message: wire.Fix) -> Fix:
    tokens = tuple((part.start, part.end) for part in message.tokens)
    return Fix(_selector(f"{name}.selector", message.selector), tokens, message.token_count)


def _selector(name: str, value: int) -> Selector:
    if value == wire.SELECTOR_UNSPECIFIED:
        return Selector.PLAN
    try:
        return Selector[wire.Selector.Name(value).removeprefix("SELECTOR_")]  # type: ignore[arg-type]
    except ValueError as error:
        raise field_invalid(name, value, ", ".join(item.name for item in Selector)) from error


def sampling_of(message: service.Sampling) -> Sampling:
    """Raises FIELD_INVALID."""
    if message.max_tokens < 1:
        raise field_invalid("sampling.max_tokens", message.max_tokens, "1 or more")
    if message.temperature < 0:
        raise field_invalid("sampling.temperature", message.temperature, "0 or more")
    if len(message.forced_token_ids) > message.max_tokens:
        raise field_invalid(
            "sampling.forced_token_ids", f"{len(message.forced_token_ids)} tokens", f"{message.max_tokens}, max_tokens"
        )
    return Sampling(
        message.max_tokens,
        message.temperature,
        message.seed,
        message.ignore_stop_tokens,
        tuple(message.forced_token_ids),
    )


def variant_named(spec: wire.VariantSpec, prefix_chunk_ids: Sequence[str]) -> Variant:
    """What is to be stored, without what only the computation knows. Raises FIELD_INVALID."""
    for field in ("variant_id", "chunk_id"):
        if not getattr(spec, field):
            raise field_invalid(f"variant.{field}", "", "a name")
    return Variant(
        variant_id=spec.variant_id,
        generation=0,
        chunk_id=spec.chunk_id,
        prefix_chunk_ids=tuple(prefix_chunk_ids),
        salt=spec.salt,
        source=spec.source,
        source_version=spec.source_version,
        token_digest=b"",
        token_count=0,
        built_at=0,
        prefix_digest=b"",
        is_canonical=True,
        byte_count=0,
    )


def variant_message(held: Residency, memory: wire.Tier.ValueType) -> wire.Variant:
    """A stored variant; `memory` names the tier above the disk."""
    variant = held.variant
    return wire.Variant(
        spec=wire.VariantSpec(
            variant_id=variant.variant_id,
            chunk_id=variant.chunk_id,
            prefix_chunk_ids=variant.prefix_chunk_ids,
            salt=variant.salt,
            source=variant.source,
            source_version=variant.source_version,
            tier=memory if held.is_in_memory else wire.TIER_DISK,
        ),
        generation=variant.generation,
        token_digest=variant.token_digest,
        token_count=variant.token_count,
        built_at=variant.built_at,
        bytes=variant.byte_count,
        tiers=[memory, wire.TIER_DISK] if held.is_in_memory else [wire.TIER_DISK],
        canonical=variant.is_canonical,
        pinned=held.is_pinned,
        stats=wire.SegmentStats(
            inter=variant.stats.inter,
            intra=variant.stats.intra,
            token_inter_ranks=ranks_of(variant.stats.token_inter),
        ),
    )


def ranks_of(masses: Sequence[float]) -> bytes:
    """Rank of each token, 255 for the one with most."""
    order = sorted(range(len(masses)), key=lambda at: (masses[at], -at))
    ranks = bytearray(len(masses))
    for rank, at in enumerate(order):
        ranks[at] = round(_TOP_RANK * (rank + 1) / len(masses))
    return bytes(ranks)


def segment_stats(
    segment_id: int, masses: SegmentMasses, question: SegmentMasses | None, *, at: int, question_tokens: int
) -> wire.SegmentStats:
    """Masses of the segment at a place of the plan, and the question's attention to it, layer by layer."""
    by_layer = [] if question is None else [row[at] / question_tokens for row in question.inter_by_layer]
    return wire.SegmentStats(
        segment_id=segment_id,
        inter=masses.inter,
        intra=masses.intra,
        token_inter_ranks=ranks_of(masses.token_inter),
        query_attention=by_layer,
    )


def segment_result(item: SegmentWork, *, layers: int, memory: wire.Tier.ValueType) -> service.SegmentResult:
    """The work that was done for a segment."""
    recomputed = len(item.recomputed)
    message = service.SegmentResult(
        segment_id=item.segment.segment_id,
        reused_tokens=item.segment.length - recomputed,
        recomputed_tokens=recomputed,
        recomputed_token_layers=recomputed * (item.depth_limit or layers),
    )
    if item.miss is not None:
        message.miss_reason = wire.MissReason.Value(f"MISS_REASON_{item.miss.name}")
        message.missed_variant_id = item.segment.variant_id
    if item.loaded is not None:
        message.variant_id = item.loaded.variant.variant_id
        message.generation = item.loaded.variant.generation
        message.loaded_from = memory if item.loaded.was_in_memory else wire.TIER_DISK
        message.loaded_bytes = item.loaded.variant.byte_count
        message.recomputed.extend(wire.TokenRange(start=low, end=high) for low, high in ranges_of(item.recomputed))
    return message


def event_message(event: StoreEvent, memory: wire.Tier.ValueType) -> wire.Event:
    """An event."""
    tiers = {"": wire.TIER_UNSPECIFIED, "MEMORY": memory, "DISK": wire.TIER_DISK}
    return wire.Event(
        sequence=event.sequence,
        kind=wire.EventKind.Value(f"EVENT_KIND_{event.kind}"),
        variant_id=event.variant_id,
        generation=event.generation,
        tier=tiers[event.tier],
        request_id=event.request_id,
        bytes_used=event.bytes_used,
        detail=event.detail,
    )
