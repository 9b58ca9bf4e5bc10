"""The requests of one stream."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.message import DecodeError
from smg_grpc_proto import vllm_engine_pb2

from holdfast_vllm._generated.request_stream_service_pb2 import CallEnd, RunRequest, RunResponse, StartAction
from holdfast_vllm.control.status import status_code, status_details
from holdfast_vllm.errors import FieldError, HoldfastError, Reason
from holdfast_vllm.front.call import Call, Generate

#: Requests that one stream may run at once.
MAX_CALLS = 10_000

#: News that wait for the connection. A request whose news finds no room waits, so its output stays in the engine.
_MAX_HELD_NEWS = 16


class Calls:
    """Starts, cancels and ends requests, and hands their news to one writer."""

    def __init__(self, generate: Generate) -> None:
        self._generate = generate
        #: Those whose end was not written yet.
        self._live: dict[int, Call] = {}
        #: Of them, and of cancelled ones until the engine has let go of them.
        self._tasks: set[asyncio.Task[None]] = set()
        #: None only wakes the writer.
        self._news: asyncio.Queue[tuple[Call | None, RunResponse] | None] = asyncio.Queue(_MAX_HELD_NEWS)
        self._is_draining = False

    async def take(self, request: RunRequest) -> None:
        """Do what the caller asks for. Raises FieldError for what has no meaning."""
        action = request.WhichOneof("action")
        if action == "start":
            await self._start(request.call_id, request.start)
        elif action == "cancel":
            call = self._live.pop(request.call_id, None)
            if call is not None:
                call.cancel()
                self._wake_if_drained()
        elif action == "grant":
            call = self._live.get(request.call_id)
            if call is not None:
                call.window.grant(request.grant.responses)
        else:
            raise FieldError([("action", "is unset; allowed: start, cancel or grant")])

    async def write_to(self, write: Callable[[RunResponse], Awaitable[None]]) -> None:
        """Write news until cancelled, or until a drain is over: then raises HoldfastError.

        The only writer, since a stream takes one write at a time.
        """
        while not self._is_drained():
            item = await self._news.get()
            if item is None:
                continue
            call, news = item
            if call is not None:
                if call.is_cancelled:
                    continue
                if news.HasField("end"):
                    # Before the write: whoever reads the end may use the id again at once.
                    del self._live[call.call_id]
            await write(news)
        raise _draining()

    def drain(self) -> None:
        """Let what runs end, and start nothing more."""
        self._is_draining = True
        self._wake_if_drained()

    async def end(self) -> None:
        """Abort all of them, and wait until the engine has let go."""
        for call in self._live.values():
            call.cancel()
        self._live.clear()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _start(self, call_id: int, start: StartAction) -> None:
        if call_id == 0:
            raise FieldError([("call_id", "is 0; allowed: a number above 0")])
        if call_id in self._live:
            raise FieldError([("call_id", f"is {call_id}, which is in use; allowed: one that is not")])
        try:
            self._check_may_start()
            request = _read(start)
        except HoldfastError as error:
            # Waits for room itself: a caller that reads nothing is not read from, either.
            await self._news.put((None, RunResponse(call_id=call_id, end=_refusal(error))))
            return
        call = self._live[call_id] = Call(call_id, start, self._send)
        task = call.begin(self._generate, request)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _check_may_start(self) -> None:
        if self._is_draining:
            raise _draining()
        if len(self._tasks) >= MAX_CALLS:
            raise HoldfastError(
                Reason.QUEUE_FULL, f"{MAX_CALLS} requests run on this stream already; allowed: {MAX_CALLS} at once"
            )

    def _is_drained(self) -> bool:
        return self._is_draining and not self._live and self._news.empty()

    def _wake_if_drained(self) -> None:
        if self._is_drained():
            # The writer waits for news, and none may come any more.
            self._news.put_nowait(None)

    async def _send(self, call: Call, news: RunResponse) -> None:
        await self._news.put((call, news))


def _read(start: StartAction) -> Any:
    """The request in it. Pure."""
    if start.window == 0:
        raise FieldError([("start.window", "is 0; allowed: 1 or more")])
    try:
        return vllm_engine_pb2.GenerateRequest.FromString(start.generate_request)
    except DecodeError as error:
        what = f"is {len(start.generate_request)} bytes that cannot be read ({error})"
        allowed = "a serialized vllm.grpc.engine.GenerateRequest"
        raise FieldError([("start.generate_request", f"{what}; allowed: {allowed}")]) from error


def _draining() -> HoldfastError:
    return HoldfastError(Reason.DRAINING, "the engine is shutting down")


def _refusal(error: HoldfastError) -> CallEnd:
    return CallEnd(code=status_code(error).value[0], message=error.message, details=status_details(error))
