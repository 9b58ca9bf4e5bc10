"""The calls of holdfast.chunk.v1."""

from __future__ import annotations

import functools
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import grpc
import torch

from holdfast_chunks._generated import chunk_engine_service_pb2 as service
from holdfast_chunks._generated import chunk_engine_service_pb2_grpc as stubs
from holdfast_chunks._generated import chunk_pb2 as wire
from holdfast_chunks.errors import ChunkEngineError, Reason, field_invalid
from holdfast_chunks.kv.store import Loaded, Miss, Residency
from holdfast_chunks.model.tokens import token_digest
from holdfast_chunks.run.select import fresh_values
from holdfast_chunks.service.build import build, check_build
from holdfast_chunks.service.engine import ChunkEngine
from holdfast_chunks.service.execute import Checked, Execution, check_request, check_tokens, memory_tier
from holdfast_chunks.service.place import matches, place
from holdfast_chunks.service.relay import relayed
from holdfast_chunks.service.status import abort
from holdfast_chunks.service.wire import event_message, variant_message

INTERFACE_VERSION = 1
ENGINE_VERSION = "0.1.0"
_MAX_TEXTS, _MAX_BUILD_ITEMS, _MAX_PLACE_ITEMS, _MAX_PAGE, _PAGE = 256, 64, 1_024, 1_000, 100
_PROBED_LAYERS = 2
#: A watcher looks up this often whether its caller is still there, and whether pins have run out.
_LOOK_UP_SECONDS = 0.5
MAX_WATCHERS = 16

Call = TypeVar("Call", bound=Callable[..., Any])


def _answers_errors(call: Call) -> Call:
    """Errors of this package become statuses with a reason."""

    @functools.wraps(call)
    def wrapped(self: object, request: object, context: grpc.ServicerContext) -> Any:
        try:
            return call(self, request, context)
        except ChunkEngineError as error:
            abort(context, error)

    return wrapped  # type: ignore[return-value]


class ChunkEngineServicer(stubs.ChunkEngineServiceServicer):
    """Mechanism only: what is built, kept and reused is decided by the caller."""

    def __init__(self, engine: ChunkEngine) -> None:
        self._engine = engine
        self._watchers = threading.Semaphore(MAX_WATCHERS)
        self._is_stopped = threading.Event()

    def stop(self) -> None:
        """End the watchers."""
        self._is_stopped.set()
        with self._engine.store.changed:
            self._engine.store.changed.notify_all()

    @_answers_errors
    def GetCapabilities(
        self, _: service.GetCapabilitiesRequest, __: grpc.ServicerContext
    ) -> service.GetCapabilitiesResponse:
        """What this engine can do."""
        engine, config = self._engine, self._engine.model.config
        dtype = str(engine.model.dtype).removeprefix("torch.")
        return service.GetCapabilitiesResponse(
            interface_version=INTERFACE_VERSION,
            engine_id=engine.settings.name,
            epoch=engine.epoch,
            engine_kind="torch",
            engine_version=ENGINE_VERSION,
            fingerprint=engine.fingerprint,
            model_id=config.name,
            tokenizer_digest=engine.codec.digest,
            layers=config.layers,
            kv_bytes_per_token=config.kv_floats_per_token * engine.model.dtype.itemsize,
            dtype=dtype,
            max_context_tokens=config.max_positions,
            vocabulary_size=config.vocabulary,
            selectors=[value for value in wire.Selector.values() if value != wire.SELECTOR_UNSPECIFIED],
            non_prefix=True,
            variants=True,
            layer_stop=True,
            stats=[value for value in wire.StatKind.values() if value != wire.STAT_KIND_UNSPECIFIED],
            tiers=self._tiers(),
            prefill_ms_per_token=engine.prefill_ms_per_token,
            prefill_ms_per_token_and_context_token=engine.prefill_ms_per_token_pair,
            neutral_prefix_token_ids=engine.neutral_prefix,
            stop_token_ids=config.stop_token_ids,
        )

    @_answers_errors
    def Tokenize(self, request: service.TokenizeRequest, _: grpc.ServicerContext) -> service.TokenizeResponse:
        """Token ids of texts."""
        if len(request.texts) > _MAX_TEXTS:
            raise field_invalid("texts", f"{len(request.texts)} texts", f"at most {_MAX_TEXTS}")
        lists = [service.TokenList(token_ids=self._engine.codec.encode(text)) for text in request.texts]
        return service.TokenizeResponse(lists=lists)

    @_answers_errors
    def GetTokenizer(self, _: service.GetTokenizerRequest, __: grpc.ServicerContext) -> service.GetTokenizerResponse:
        """The tokenizer's files."""
        archive = self._engine.tokenizer_archive
        return service.GetTokenizerResponse(archive=archive, sha256=hashlib.sha256(archive).digest())

    def Execute(
        self, request: service.ExecuteRequest, context: grpc.ServicerContext
    ) -> Iterator[service.ExecuteResponse]:
        """A prompt by its plan."""
        try:
            checked = check_request(self._engine, request)
            check = _still_wanted(context, request.deadline_ms)
            yield from relayed(lambda: self._run(request, checked, check), context.cancel)
        except ChunkEngineError as error:
            abort(context, error)

    def _run(
        self, request: service.ExecuteRequest, checked: Checked, check: Callable[[], None]
    ) -> Iterator[service.ExecuteResponse]:
        with self._engine.turns.turn(check) as queue_ms:
            yield from Execution(self._engine, request, checked, queue_ms, check).run()

    @_answers_errors
    def Build(self, request: service.BuildRequest, context: grpc.ServicerContext) -> service.BuildResponse:
        """Compute and store variants of chunks."""
        engine = self._engine
        engine.check_decided_for(epoch=request.epoch, fingerprint=request.fingerprint)
        if not 1 <= len(request.items) <= _MAX_BUILD_ITEMS:
            raise field_invalid("items", f"{len(request.items)} items", f"1 to {_MAX_BUILD_ITEMS}")
        for at, item in enumerate(request.items):
            check_build(engine, f"items[{at}]", item)

        def build_all() -> service.BuildResponse:
            began = time.perf_counter()
            variants = []
            for item in request.items:
                # A turn for each: prompts that wait are not kept waiting by the whole list.
                with engine.turns.turn(_still_wanted(context, 0)):
                    variants.append(build(engine, item, with_stats=request.with_stats))
            took_ms = 1e3 * (time.perf_counter() - began)
            return service.BuildResponse(epoch=engine.epoch, variants=variants, took_ms=took_ms)

        return engine.operations.once(request, request.op_id, build_all)

    @_answers_errors
    def Place(self, request: service.PlaceRequest, _: grpc.ServicerContext) -> service.PlaceResponse:
        """Move, pin and evict."""
        engine = self._engine
        engine.check_decided_for(epoch=request.epoch)
        if len(request.items) > _MAX_PLACE_ITEMS:
            raise field_invalid("items", f"{len(request.items)} items", f"at most {_MAX_PLACE_ITEMS}")
        return engine.operations.once(
            request,
            request.op_id,
            lambda: service.PlaceResponse(epoch=engine.epoch, results=[place(engine, item) for item in request.items]),
        )

    @_answers_errors
    def Invalidate(self, request: service.InvalidateRequest, _: grpc.ServicerContext) -> service.InvalidateResponse:
        """Throw away what matches every field that is set."""
        engine = self._engine
        if not (request.variant_ids or request.chunk_id or request.source or request.salt):
            raise field_invalid("variant_ids, chunk_id, source, salt", "unset", "at least one of them")
        if request.keep_source_version and not request.source:
            raise field_invalid("keep_source_version", request.keep_source_version, "a version together with a source")
        return engine.operations.once(
            request,
            request.op_id,
            lambda: service.InvalidateResponse(
                epoch=engine.epoch,
                variant_ids=engine.store.evict_where(lambda variant: matches(request, variant), "invalidated"),
            ),
        )

    @_answers_errors
    def ListVariants(
        self, request: service.ListVariantsRequest, _: grpc.ServicerContext
    ) -> service.ListVariantsResponse:
        """What is held, by name; the page token is the last name of the page before."""
        size = request.page_size or _PAGE
        if size > _MAX_PAGE:
            raise field_invalid("page_size", request.page_size, f"at most {_MAX_PAGE}")
        store = self._engine.store
        with store.changed:
            held = [item for item in store.list() if item.variant.variant_id > request.page_token]
            sequence = store.events.sequence
        page = held[:size]
        return service.ListVariantsResponse(
            epoch=self._engine.epoch,
            sequence=sequence,
            variants=[self._variant(item) for item in page],
            next_page_token=page[-1].variant.variant_id if len(held) > size else "",
        )

    @_answers_errors
    def Reconcile(self, request: service.ReconcileRequest, _: grpc.ServicerContext) -> service.ReconcileResponse:
        """Throw away what the caller does not know, and files of nothing."""
        store = self._engine.store

        def reconcile() -> service.ReconcileResponse:
            with store.changed:
                missing, dropped, orphans = store.reconcile(
                    (item.variant_id, item.generation) for item in request.known
                )
                sequence = store.events.sequence
            return service.ReconcileResponse(
                epoch=self._engine.epoch,
                sequence=sequence,
                missing_variant_ids=missing,
                dropped_variant_ids=dropped,
                orphan_files_removed=orphans,
            )

        return self._engine.operations.once(request, request.op_id, reconcile)

    def WatchEvents(
        self, request: service.WatchEventsRequest, context: grpc.ServicerContext
    ) -> Iterator[service.WatchEventsResponse]:
        """Events as they happen."""
        engine, since = self._engine, request.since
        if not self._watchers.acquire(blocking=False):
            abort(context, ChunkEngineError(Reason.QUEUE_FULL, f"{MAX_WATCHERS} watchers are there, as many as may"))
        try:
            engine.check_decided_for(epoch=request.epoch)
            while context.is_active() and not self._is_stopped.is_set():
                with engine.store.changed:
                    engine.store.end_pins()
                    events, gap = engine.store.events.since(since)
                    if not events:
                        engine.store.changed.wait(_LOOK_UP_SECONDS)
                        continue
                if gap:
                    yield service.WatchEventsResponse(epoch=engine.epoch, gap_until=gap)
                for event in events:
                    yield service.WatchEventsResponse(
                        epoch=engine.epoch, event=event_message(event, memory_tier(engine))
                    )
                since = events[-1].sequence
        except ChunkEngineError as error:
            abort(context, error)
        finally:
            self._watchers.release()

    @_answers_errors
    def Probe(self, request: service.ProbeRequest, context: grpc.ServicerContext) -> service.ProbeResponse:
        """How far each candidate is off in the lowest layers of this prompt."""
        engine, layers = self._engine, request.layers or _PROBED_LAYERS
        start, end, prompt = request.range.start, request.range.end, list(request.token_ids)
        check_tokens(engine, "token_ids", prompt)
        if not 0 <= start < end <= len(prompt):
            raise field_invalid("range", (start, end), f"a range in 0 to {len(prompt)}")
        if layers > engine.model.config.layers:
            raise field_invalid("layers", layers, f"1 to {engine.model.config.layers}")
        with engine.turns.turn(_still_wanted(context, 0)):
            began = time.perf_counter()
            ids = torch.tensor(prompt[:end], device=engine.model.device)
            fresh = fresh_values(engine.model, ids, layers - 1)[:, start:end]
            digest = token_digest(prompt[start:end])
            estimates = [
                _estimate(name, engine.store.load(name, generation=0, salt=request.salt, digest=digest), fresh, layers)
                for name in request.variant_ids
            ]
        return service.ProbeResponse(estimates=estimates, took_ms=1e3 * (time.perf_counter() - began))

    @_answers_errors
    def GetStats(self, _: service.GetStatsRequest, __: grpc.ServicerContext) -> service.GetStatsResponse:
        """Counts since start."""
        store, counts = self._engine.store, self._engine.counts
        return service.GetStatsResponse(
            epoch=self._engine.epoch,
            sequence=store.events.sequence,
            variants=len(store.list()),
            tiers=self._tiers(),
            requests=counts.requests,
            prompt_tokens=counts.prompt_tokens,
            computed_tokens=counts.computed_tokens,
            reused_tokens=counts.reused_tokens,
            misses=counts.misses,
            corrupt=store.corrupt_count,
        )

    def _tiers(self) -> list[service.TierState]:
        store = self._engine.store
        memory, disk = store.bytes_used()
        return [
            service.TierState(tier=memory_tier(self._engine), bytes_total=store.memory_bytes, bytes_used=memory),
            service.TierState(
                tier=wire.TIER_DISK,
                bytes_total=store.disk_bytes,
                bytes_used=disk,
                load_bytes_per_second=self._engine.disk_bytes_per_second,
            ),
        ]

    def _variant(self, held: Residency) -> wire.Variant:
        return variant_message(held, memory_tier(self._engine))


def _estimate(name: str, found: Loaded | Miss, fresh: torch.Tensor, layers: int) -> service.ProbeEstimate:
    if isinstance(found, Miss):
        reason = wire.MissReason.Value(f"MISS_REASON_{found.name}")
        return service.ProbeEstimate(variant_id=name, miss_reason=reason)
    off = (fresh - found.span.values[layers - 1].to(fresh)).float().square().mean()
    return service.ProbeEstimate(variant_id=name, deviation=float(off / fresh.float().square().mean()))


def _still_wanted(context: grpc.ServicerContext, deadline_ms: int) -> Callable[[], None]:
    began = time.monotonic()

    def check() -> None:
        if not context.is_active():
            raise ChunkEngineError(Reason.CALLER_CANCELLED, "the caller has gone")
        if deadline_ms and 1e3 * (time.monotonic() - began) > deadline_ms:
            raise ChunkEngineError(Reason.ENGINE_DEADLINE, f"deadline_ms is {deadline_ms}, and they are over")

    return check
