"""Executes plans: loads, chooses, computes, and reports the work that was really done."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from holdfast_chunks.errors import ChunkEngineError, Reason
from holdfast_chunks.kv.store import Loaded, Miss, VariantStore
from holdfast_chunks.kv.variant import SpanKv, Variant, VariantStats, mean_kv, token_spread
from holdfast_chunks.model.llama import Llama
from holdfast_chunks.model.tokens import token_digest
from holdfast_chunks.run.masses import Block, MassRecorder, SegmentMasses
from holdfast_chunks.run.plan import Plan, Segment, Selector, Work, check_plan
from holdfast_chunks.run.prefill import PromptKv, RowGroup, UnrotatedKeys, prefill
from holdfast_chunks.run.prefixes import Prefixes
from holdfast_chunks.run.select import Stored, best_of, token_scores


@dataclass
class SegmentWork:
    """What was done for one segment."""

    segment: Segment
    loaded: Loaded | None = None
    miss: Miss | None = None
    recomputed: list[int] = field(default_factory=list)  # from the start of the segment

    @property
    def depth_limit(self) -> int:
        """Layers that recomputed tokens go through; 0 means all."""
        return self.segment.stop_after if self.loaded is not None else 0


@dataclass(frozen=True)
class Prefilled:
    """A prompt whose KV is complete."""

    kv: PromptKv
    hidden: torch.Tensor
    work: tuple[SegmentWork, ...]
    load_ms: float
    select_ms: float
    prefill_ms: float
    #: With `captures` only.
    unrotated: UnrotatedKeys | None = None
    #: Of the segments of `captures` that were computed whole, by their place in the plan.
    masses: Mapping[int, SegmentMasses] = field(default_factory=dict)

    @property
    def is_canonical_to(self) -> int:
        """How many segments from the start on hold no reused KV: what was computed behind them is exact."""
        inexact = (at for at, item in enumerate(self.work) if item.loaded and item.segment.work is Work.REUSE)
        return next(inexact, len(self.work))


class Executor:
    """Not thread-safe: one prompt at a time, whose KV is valid until the next one."""

    def __init__(self, model: Llama, store: VariantStore) -> None:
        self.model = model
        self._store = store
        self._prefixes = Prefixes(model)
        self._kv = PromptKv(model, 0)

    def prefill(
        self, token_ids: Sequence[int], plan: Plan, *, salt: str, room: int, captures: Collection[int] | None = None
    ) -> Prefilled:
        """Make the KV of a prompt by its plan, with room for an answer of that many tokens.

        With `captures`, places of segments in the plan, segments can be stored afterwards, and attention masses of
        those that were computed whole are recorded.
        """
        layers = self.model.config.layers
        check_plan(plan, prompt_tokens=len(token_ids), layers=layers)
        ids = torch.tensor(list(token_ids), device=self.model.device)
        kv = self._room_for(len(token_ids) + room)
        unrotated = None if captures is None else UnrotatedKeys(self.model, len(token_ids))
        began = time.perf_counter()
        work = self._load(token_ids, plan, kv, salt, unrotated)
        loaded = time.perf_counter()
        self._select(ids, plan, kv, work)
        selected = time.perf_counter()
        groups = [
            RowGroup([item.segment.start + index for index in item.recomputed], item.depth_limit or layers)
            for item in work
        ]
        whole = [at for at in captures or () if work[at].loaded is None]
        blocks = [(item.segment.start, item.segment.end) for item in work]
        recorder = MassRecorder(self.model, kv, blocks, whole) if whole else None
        hidden = prefill(self.model, ids, kv, groups, unrotated, recorder)
        done = time.perf_counter()
        return Prefilled(
            kv,
            hidden,
            tuple(work),
            1e3 * (loaded - began),
            1e3 * (selected - loaded),
            1e3 * (done - selected),
            unrotated,
            {at: recorder.masses(at) for at in whole} if recorder is not None else {},
        )

    def capture(self, done: Prefilled, at: int, variant: Variant, token_ids: Sequence[int]) -> Variant:
        """Store the segment at a place of the plan, as it is after the prefill. Modifies the store.

        `token_ids` is the prompt. Keys of reused tokens that stopped early are those of the last computed layers.
        """
        if done.unrotated is None:
            raise ValueError("the prefill was made without captures")
        segment = done.work[at].segment
        start, end = segment.start, segment.end
        span = SpanKv(done.unrotated.keys, done.kv.values).part(start, end)
        is_canonical = at < done.is_canonical_to
        stored = replace(
            variant,
            token_digest=token_digest(token_ids[start:end]),
            token_count=segment.length,
            built_at=start,
            # What is not exact behind its prefix must never serve as one.
            prefix_digest=token_digest(token_ids[:start]) if is_canonical else b"",
            is_canonical=is_canonical,
        )
        return self._store.put(stored, span)

    def build(
        self,
        variant: Variant,
        prefixes: Sequence[Sequence[int]],
        token_ids: Sequence[int],
        blocks: Sequence[Block] | None = None,
    ) -> Variant:
        """Compute a chunk behind each prefix and store the mean. Modifies the store.

        `blocks` tile the first prefix; with them, attention masses to the blocks are recorded. `stats.inter` has those
        to the last blocks, as many as the variant has prefix_chunk_ids.
        """
        made = [self.compute_span(prefix, token_ids, blocks if at == 0 else None) for at, prefix in enumerate(prefixes)]
        spans = [span for span, _ in made]
        stored = replace(
            variant,
            token_digest=token_digest(token_ids),
            token_count=len(token_ids),
            built_at=len(prefixes[0]),
            prefix_digest=token_digest(prefixes[0]) if len(prefixes) == 1 else b"",
            is_canonical=len(prefixes) == 1,
            stats=stats_of(made[0][1], len(variant.prefix_chunk_ids), token_spread(spans)),
        )
        return self._store.put(stored, spans[0] if len(spans) == 1 else mean_kv(spans))

    def compute_span(
        self, prefix: Sequence[int], token_ids: Sequence[int], blocks: Sequence[Block] | None = None
    ) -> tuple[SpanKv, SegmentMasses | None]:
        """KV of tokens behind a prefix, keys not rotated, and masses when the blocks that tile the prefix are told."""
        start, end = len(prefix), len(prefix) + len(token_ids)
        ids = torch.tensor([*prefix, *token_ids], device=self.model.device)
        kv, unrotated = self._prefixes.kv_of(prefix, end), UnrotatedKeys(self.model, end)
        tiles = [*(blocks or ()), (start, end)]
        recorder = None if blocks is None else MassRecorder(self.model, kv, tiles, [len(blocks)])
        group = RowGroup(range(start, end), self.model.config.layers)
        prefill(self.model, ids, kv, [group], unrotated, recorder)
        span = SpanKv(unrotated.keys, kv.values).part(start, end)
        return span, None if recorder is None else recorder.masses(len(tiles) - 1)

    def _room_for(self, tokens: int) -> PromptKv:
        """One buffer for all prompts: fresh pages would cost a fifth of a prefill that reuses everything."""
        if self._kv.capacity < tokens:
            self._kv = PromptKv(self.model, tokens)
        self._kv.length = 0
        return self._kv

    def _load(
        self, token_ids: Sequence[int], plan: Plan, kv: PromptKv, salt: str, unrotated: UnrotatedKeys | None
    ) -> list[SegmentWork]:
        work: list[SegmentWork] = []
        room = plan.max_loaded_bytes or None
        for segment in plan.segments:
            item = SegmentWork(segment)
            if segment.work is not Work.COMPUTE:
                self._load_segment(item, token_ids, salt, room)
            if item.loaded is not None:
                kv.place(segment.start, item.loaded.span)
                if unrotated is not None:
                    unrotated.place(segment.start, item.loaded.span)
                room = None if room is None else room - item.loaded.span.byte_count
            elif segment.work is not Work.COMPUTE and segment.fails_on_miss:
                reason = item.miss.name if item.miss else "ABSENT"
                message = f"variant {segment.variant_id!r} of segment {segment.segment_id} cannot be used: {reason}"
                raise ChunkEngineError(Reason.KV_NOT_RESIDENT, message)
            else:
                item.recomputed = list(range(segment.length))
                kv.clear(segment.start, segment.end)
            work.append(item)
        return work

    def _load_segment(self, item: SegmentWork, token_ids: Sequence[int], salt: str, room: int | None) -> None:
        segment = item.segment
        digest = token_digest(token_ids[segment.start : segment.end])
        if segment.token_digest and segment.token_digest != digest:
            item.miss = Miss.TOKENS
            return
        for rank, name in enumerate((segment.variant_id, *segment.alternates)):
            generation = segment.generation if rank == 0 else 0
            found = self._store.load(name, generation=generation, salt=salt, digest=digest)
            if isinstance(found, Loaded) and segment.work is Work.PREFIX:
                variant = found.variant
                behind = token_digest(token_ids[: segment.start])
                if variant.built_at != segment.start or variant.prefix_digest != behind:
                    found = Miss.NOT_PREFIX
            if isinstance(found, Loaded) and room is not None and found.span.byte_count > room:
                found = Miss.LOAD_LIMIT
            if isinstance(found, Loaded):
                item.loaded = found
                return
            item.miss = item.miss or found

    def _select(self, ids: torch.Tensor, plan: Plan, kv: PromptKv, work: Sequence[SegmentWork]) -> None:
        reused = [item for item in work if item.loaded is not None and item.segment.work is Work.REUSE]
        asking = [item.segment for item in work if item.segment.is_question] or [work[-1].segment]
        question = [row for segment in asking for row in range(segment.start, segment.end)]
        request = plan.request_fix
        if request is not None:
            self._select_over_request(ids, plan, kv, reused, question)
            return
        scored: dict[Selector, torch.Tensor] = {}
        for item in reused:
            fix, start = item.segment.fix, item.segment.start
            if fix is None:
                continue
            if fix.selector is Selector.PLAN:
                item.recomputed = [index for low, high in fix.tokens for index in range(low, high)]
                continue
            if fix.selector not in scored:
                known = _stored(reused)
                scored[fix.selector] = token_scores(fix.selector, self.model, ids, kv, question, known, seed=0)
            candidates = range(start, item.segment.end)
            item.recomputed = [row - start for row in best_of(scored[fix.selector], candidates, fix.token_count)]

    def _select_over_request(
        self, ids: torch.Tensor, plan: Plan, kv: PromptKv, reused: Sequence[SegmentWork], question: Sequence[int]
    ) -> None:
        request = plan.request_fix
        if request is None or request.token_count == 0:
            return
        known = _stored(reused)
        scores = token_scores(request.selector, self.model, ids, kv, question, known, seed=request.seed)
        if request.selector is Selector.FIRST:
            for item in reused:
                span = item.segment
                scores[span.start : span.end] = -torch.arange(span.length, dtype=torch.float32)
        for item in reused:
            start = item.segment.start
            scores[start : start + min(request.first_tokens, item.segment.length)] = float("inf")
        rows = [row for item in reused for row in range(item.segment.start, item.segment.end)]
        chosen = set(best_of(scores, rows, request.token_count))
        for item in reused:
            start = item.segment.start
            item.recomputed = [row - start for row in range(start, item.segment.end) if row in chosen]


def stats_of(masses: SegmentMasses | None, prefix_chunks: int, spread: tuple[float, ...] = ()) -> VariantStats:
    """What is kept with a variant: masses to the chunks before it, which are the last blocks. Pure."""
    if masses is None:
        return VariantStats(token_spread=spread)
    inter = masses.inter[len(masses.inter) - prefix_chunks :]
    return VariantStats(inter, masses.intra, masses.token_inter, spread)


def _stored(reused: Sequence[SegmentWork]) -> list[Stored]:
    return [
        Stored(item.segment.start, item.segment.end, item.loaded.variant.stats)
        for item in reused
        if item.loaded is not None
    ]
