"""Execute: one prompt by its plan, streamed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch

from holdfast_chunks._generated import chunk_engine_service_pb2 as service
from holdfast_chunks._generated import chunk_pb2 as wire
from holdfast_chunks.errors import ChunkEngineError, Reason, field_invalid
from holdfast_chunks.kv.files import CannotStoreError
from holdfast_chunks.kv.store import Residency
from holdfast_chunks.model.tokens import TextStream
from holdfast_chunks.run.decode import Decoded, Sampling, compare, decode, forced_log_softmax, full_log_softmax
from holdfast_chunks.run.executor import Prefilled, stats_of
from holdfast_chunks.run.plan import Plan, Work, check_plan
from holdfast_chunks.service.engine import ChunkEngine
from holdfast_chunks.service.wire import (
    plan_of,
    sampling_of,
    segment_result,
    segment_stats,
    variant_message,
    variant_named,
)


@dataclass(frozen=True)
class Checked:
    """A request that can be run."""

    prompt: list[int]
    plan: Plan
    sampling: Sampling
    capture_places: tuple[int, ...]


def check_request(engine: ChunkEngine, request: service.ExecuteRequest) -> Checked:
    """Raise what is wrong with a request, before it waits for its turn."""
    engine.check_decided_for(epoch=request.epoch, fingerprint=request.fingerprint)
    config, prompt = engine.model.config, list(request.token_ids)
    sampling = sampling_of(request.sampling)
    if not prompt:
        raise ChunkEngineError(Reason.PROMPT_EMPTY, "token_ids is empty; allowed: at least one token")
    check_tokens(engine, "token_ids", prompt)
    check_tokens(engine, "sampling.forced_token_ids", sampling.forced)
    if len(prompt) + sampling.max_tokens > config.max_positions:
        raise ChunkEngineError(
            Reason.PROMPT_TOO_LONG,
            f"token_ids has {len(prompt)} tokens and max_tokens is {sampling.max_tokens}; "
            f"allowed: {config.max_positions} together",
        )
    plan = plan_of(request.plan, len(prompt))
    check_plan(plan, prompt_tokens=len(prompt), layers=config.layers)
    places = {segment.segment_id: at for at, segment in enumerate(plan.segments)}
    for capture in request.plan.captures:
        if capture.segment_id not in places:
            raise field_invalid("plan.captures.segment_id", capture.segment_id, "a segment of the plan")
        if capture.variant.salt != request.salt:
            raise field_invalid("plan.captures.variant.salt", capture.variant.salt, "the request's salt")
        variant_named(capture.variant, capture.variant.prefix_chunk_ids)
    return Checked(prompt, plan, sampling, tuple(places[capture.segment_id] for capture in request.plan.captures))


def check_tokens(engine: ChunkEngine, field: str, token_ids: list[int] | tuple[int, ...]) -> None:
    """Raise TOKEN_OUT_OF_VOCABULARY."""
    size = engine.model.config.vocabulary
    wrong = next((token for token in token_ids if token >= size), None)
    if wrong is not None:
        raise ChunkEngineError(Reason.TOKEN_OUT_OF_VOCABULARY, f"{field} holds {wrong}; allowed: 0 to {size - 1}")


class Execution:
    """One request while it has its turn."""

    def __init__(
        self,
        engine: ChunkEngine,
        request: service.ExecuteRequest,
        checked: Checked,
        queue_ms: float,
        check: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._request = request
        self._checked = checked
        self._queue_ms = queue_ms
        self._check = check
        self._answer: list[Decoded] = []

    def run(self) -> Iterator[service.ExecuteResponse]:
        """Tokens, then the result."""
        checked, engine = self._checked, self._engine
        wants_stats = bool(self._request.stats)
        places = range(len(checked.plan.segments)) if wants_stats else checked.capture_places
        began = time.perf_counter()
        done = engine.executor.prefill(
            checked.prompt,
            checked.plan,
            salt=self._request.salt,
            room=checked.sampling.max_tokens,
            captures=places if places else None,
        )
        prompt_hidden = done.hidden[-1:].clone()
        text = TextStream(engine.codec)
        first = began
        for decoded in decode(engine.model, done.hidden, done.kv, checked.sampling):
            if not self._answer:
                first = time.perf_counter()
            self._answer.append(decoded)
            if not decoded.is_stop:
                token = service.OutputToken(token_id=decoded.token_id, text=text.push(decoded.token_id))
                yield service.ExecuteResponse(token=token)
            self._check()
        last = time.perf_counter()
        result = self._result(done)
        result.timing.CopyFrom(
            service.ExecuteTiming(
                queue_ms=self._queue_ms,
                load_ms=done.load_ms,
                select_ms=done.select_ms,
                prefill_ms=done.prefill_ms,
                ttft_ms=1e3 * (first - began),
                decode_ms=1e3 * (last - first),
            )
        )
        done.kv.length = len(checked.prompt)
        result.captured.extend(self._capture(done))
        if wants_stats:
            result.stats.extend(self._stats(done))
        if self._request.shadow == service.SHADOW_MODE_FULL_LOGITS:
            result.shadow.CopyFrom(self._shadow(done, prompt_hidden))
        self._count(result)
        engine.store.note_executed(self._request.request_id)
        yield service.ExecuteResponse(result=result)

    def _result(self, done: Prefilled) -> service.ExecuteResult:
        engine, layers = self._engine, self._engine.model.config.layers
        segments = [segment_result(item, layers=layers, memory=memory_tier(engine)) for item in done.work]
        in_prefix = [item.segment.work is Work.PREFIX for item in done.work]
        forced = self._answer[: len(self._checked.sampling.forced)]
        return service.ExecuteResult(
            epoch=engine.epoch,
            segments=segments,
            prompt_tokens=len(self._checked.prompt),
            computed_tokens=sum(item.recomputed_tokens for item in segments),
            reused_tokens=sum(item.reused_tokens for item in segments),
            prefix_tokens=sum(
                item.reused_tokens for item, is_prefix in zip(segments, in_prefix, strict=True) if is_prefix
            ),
            token_layer_work=sum(item.recomputed_token_layers for item in segments),
            output_tokens=sum(not decoded.is_stop for decoded in self._answer),
            stopped=self._answer[-1].is_stop,
            forced_log_likelihood=sum(decoded.log_likelihood for decoded in forced),
        )

    def _capture(self, done: Prefilled) -> list[wire.Variant]:
        stored = []
        captures = zip(self._request.plan.captures, self._checked.capture_places, strict=True)
        for capture, at in captures:
            if capture.only_if_canonical and at >= done.is_canonical_to:
                continue
            variant = variant_named(capture.variant, capture.variant.prefix_chunk_ids)
            stats = stats_of(done.masses.get(at), min(len(variant.prefix_chunk_ids), at))
            try:
                made = self._engine.executor.capture(done, at, replace(variant, stats=stats), self._checked.prompt)
            except CannotStoreError:
                continue  # the answer is as good without it, and what is not named was not stored
            if capture.variant.tier == wire.TIER_DISK:
                self._engine.store.drop_from_memory(made.variant_id)
            held = self._engine.store.find(made.variant_id) or Residency(made, is_in_memory=False, is_pinned=False)
            stored.append(variant_message(held, memory_tier(self._engine)))
        return stored

    def _stats(self, done: Prefilled) -> Iterator[wire.SegmentStats]:
        last = len(done.work) - 1
        question, tokens = done.masses.get(last), done.work[last].segment.length
        for at, masses in sorted(done.masses.items()):
            asked = question if at < last else None
            segment_id = done.work[at].segment.segment_id
            yield segment_stats(segment_id, masses, asked, at=at, question_tokens=tokens)

    def _shadow(self, done: Prefilled, hidden: torch.Tensor) -> service.ShadowResult:
        began = time.perf_counter()
        model, answer = self._engine.model, [decoded.token_id for decoded in self._answer]
        got = forced_log_softmax(model, hidden, done.kv, answer)
        shadow = compare(full_log_softmax(model, self._checked.prompt, answer), got, answer)
        return service.ShadowResult(
            kl_per_token=shadow.kl_per_token,
            kl_max=shadow.kl_max,
            log_likelihood_delta=shadow.log_likelihood_delta,
            same_top_share=shadow.same_top_share,
            token_count=len(answer),
            took_ms=1e3 * (time.perf_counter() - began),
        )

    def _count(self, result: service.ExecuteResult) -> None:
        counts = self._engine.counts
        counts.requests += 1
        counts.prompt_tokens += result.prompt_tokens
        counts.computed_tokens += result.computed_tokens
        counts.reused_tokens += result.reused_tokens
        counts.misses += sum(item.miss_reason != wire.MISS_REASON_UNSPECIFIED for item in result.segments)


def memory_tier(engine: ChunkEngine) -> wire.Tier.ValueType:
    """The tier above the disk: where the model is."""
    return wire.TIER_DEVICE if engine.model.device.type == "cuda" else wire.TIER_MEMORY
