"""holdfast.kv.v1.KvControl over a ledger of pins."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import TypeVar

import grpc

from holdfast_vllm._generated import kv_control_service_pb2 as messages
from holdfast_vllm._generated import kv_control_service_pb2_grpc as service
from holdfast_vllm.control.mapping import pin_message, stats_message
from holdfast_vllm.control.stats import EngineAccess, EngineFacts
from holdfast_vllm.control.status import abort
from holdfast_vllm.control.watchers import Watchers
from holdfast_vllm.errors import FieldError, HoldfastError, Reason
from holdfast_vllm.pins.ledger import KvLedger
from holdfast_vllm.pins.pin import LONGEST_TTL_MS, PinTerms

INTERFACE_VERSION = 1
DEFAULT_INTERVAL_MS = 1_000
SHORTEST_INTERVAL_MS = 10
LONGEST_INTERVAL_MS = 60_000

#: Ranks travel as JSON numbers in hints, so they are whole numbers that a double holds exactly.
LARGEST_RANK = (1 << 53) - 1

#: A watcher looks up this often whether its caller and the engine are still there.
_LOOK_UP_SECONDS = 1.0

_Self = TypeVar("_Self")
_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


def _answering(
    method: Callable[[_Self, _Request], _Response],
) -> Callable[[_Self, _Request, grpc.ServicerContext], _Response]:
    """Turn a method that raises HoldfastError into one that ends the call with it."""

    @wraps(method)
    def answer(self: _Self, request: _Request, context: grpc.ServicerContext) -> _Response:
        try:
            return method(self, request)
        except HoldfastError as error:
            abort(context, error)

    return answer


class KvControlService(service.KvControlServicer):
    """The service. Its methods run on the threads of the gRPC server."""

    def __init__(self, ledger: KvLedger, facts: EngineFacts, engine: EngineAccess, watchers: Watchers) -> None:
        self._ledger = ledger
        self._facts = facts
        self._engine = engine
        self._watchers = watchers

    @_answering
    def GetInfo(self, _request: messages.GetInfoRequest) -> messages.GetInfoResponse:  # noqa: N802
        """Tell what this engine can do."""
        facts = self._facts
        return messages.GetInfoResponse(
            interface_version=INTERFACE_VERSION,
            epoch=facts.epoch,
            engine_kind="vllm",
            engine_version=facts.engine_version,
            total_blocks=facts.total_blocks,
            host_blocks=facts.host_blocks,
            block_size=facts.block_tokens,
            max_running_requests=facts.max_running_requests,
            max_pinned_fraction=facts.max_pinned_fraction,
            orders_by_rank=facts.orders_by_rank,
            soft_pins=True,
            reranks=facts.orders_by_rank,
        )

    @_answering
    def Pin(self, request: messages.PinRequest) -> messages.PinResponse:  # noqa: N802
        """Keep the KV of the program's last finished turn."""
        _check(_program_violation(request.program_id), _ttl_violation(request.ttl_ms), _value_violation(request.value))
        self._check_epoch(request.epoch)
        terms = PinTerms(ttl_ms=request.ttl_ms, soft=request.soft, value=request.value)
        view = self._ledger.pin(request.program_id, terms)
        return messages.PinResponse(pin=pin_message(view), epoch=self._facts.epoch)

    @_answering
    def Renew(self, request: messages.RenewRequest) -> messages.RenewResponse:  # noqa: N802
        """Give a live pin a new time and value."""
        value = request.value if request.HasField("value") else None
        value_violation = None if value is None else _value_violation(value)
        _check(_program_violation(request.program_id), _ttl_violation(request.ttl_ms), value_violation)
        self._check_epoch(request.epoch)
        view = self._ledger.renew(request.program_id, ttl_ms=request.ttl_ms, value=value)
        return messages.RenewResponse(pin=pin_message(view), epoch=self._facts.epoch)

    @_answering
    def Release(self, request: messages.ReleaseRequest) -> messages.ReleaseResponse:  # noqa: N802
        """Give a pin up."""
        _check(_program_violation(request.program_id))
        self._check_epoch(request.epoch)
        return messages.ReleaseResponse(released=self._ledger.release(request.program_id))

    @_answering
    def ListPins(self, _request: messages.ListPinsRequest) -> messages.ListPinsResponse:  # noqa: N802
        """Return every live pin."""
        return messages.ListPinsResponse(
            pins=[pin_message(view) for view in self._ledger.pins()], epoch=self._facts.epoch
        )

    @_answering
    def GetStats(self, _request: messages.GetStatsRequest) -> messages.GetStatsResponse:  # noqa: N802
        """Return the pool's state now."""
        return messages.GetStatsResponse(stats=stats_message(self._engine.stats(), self._facts))

    @_answering
    def Rerank(self, request: messages.RerankRequest) -> messages.RerankResponse:  # noqa: N802
        """Give a request that waits or runs another rank."""
        _check(_request_violation(request.request_id), _rank_violation(request.rank))
        self._check_epoch(request.epoch)
        if not self._facts.orders_by_rank:
            raise HoldfastError(
                Reason.ENGINE_CAPABILITY_MISSING,
                "requests are not ordered by rank here; that needs --scheduling-policy priority",
            )
        return messages.RerankResponse(reranked=self._engine.rerank(request.request_id, request.rank))

    def Watch(  # noqa: N802
        self, request: messages.WatchRequest, context: grpc.ServicerContext
    ) -> Iterator[messages.WatchResponse]:
        """Stream stats at an interval and each pin event at once."""
        try:
            interval_seconds = _interval_ms(request.stats_interval_ms) / 1_000
            watcher = self._watchers.join()
        except HoldfastError as error:
            abort(context, error)
        context.add_callback(watcher.wake)
        try:
            due = time.monotonic()
            while context.is_active() and not self._watchers.is_closed and threading.main_thread().is_alive():
                if time.monotonic() >= due:
                    yield messages.WatchResponse(stats=stats_message(self._engine.stats(), self._facts))
                    due = max(due + interval_seconds, time.monotonic())
                event = watcher.next(min(_LOOK_UP_SECONDS, due - time.monotonic()))
                if event is not None:
                    yield messages.WatchResponse(pin_event=event)
        finally:
            self._watchers.leave(watcher)

    def _check_epoch(self, asked: str) -> None:
        current = self._facts.epoch
        if asked not in ("", current):
            raise HoldfastError(
                Reason.EPOCH_STALE,
                f"epoch is {asked!r}; allowed: {current!r}, the engine's own, or empty for any",
                {"epoch": current},
            )


_Violation = tuple[str, str]


def _check(*violations: _Violation | None) -> None:
    found = [violation for violation in violations if violation is not None]
    if found:
        raise FieldError(found)


def _program_violation(program_id: str) -> _Violation | None:
    return None if program_id else ("program_id", "is empty; allowed: the id of a program")


def _request_violation(request_id: str) -> _Violation | None:
    return None if request_id else ("request_id", "is empty; allowed: the id of a request")


def _rank_violation(rank: int) -> _Violation | None:
    return None if abs(rank) <= LARGEST_RANK else ("rank", f"is {rank}; allowed: {-LARGEST_RANK} to {LARGEST_RANK}")


def _ttl_violation(ttl_ms: int) -> _Violation | None:
    return None if ttl_ms >= 1 else ("ttl_ms", f"is {ttl_ms}; allowed: 1 to {LONGEST_TTL_MS}")


def _value_violation(value: float) -> _Violation | None:
    if not math.isnan(value) and value >= 0:
        return None
    return ("value", f"is {value}; allowed: 0 or more, +Infinity included")


def _interval_ms(asked_ms: int) -> int:
    interval_ms = asked_ms or DEFAULT_INTERVAL_MS
    if SHORTEST_INTERVAL_MS <= interval_ms <= LONGEST_INTERVAL_MS:
        return interval_ms
    allowed = f"0, or {SHORTEST_INTERVAL_MS} to {LONGEST_INTERVAL_MS}"
    raise FieldError([("stats_interval_ms", f"is {asked_ms}; allowed: {allowed}")])
