"""holdfast.engine.v1.RequestStreamService over vLLM's own servicer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc

from holdfast_vllm._generated import request_stream_service_pb2_grpc as service
from holdfast_vllm._generated.request_stream_service_pb2 import RunRequest, RunResponse
from holdfast_vllm.control.status import TRAILER, status_code, status_details
from holdfast_vllm.errors import HoldfastError
from holdfast_vllm.front.call import Generate
from holdfast_vllm.front.calls import Calls

_Context = grpc.aio.ServicerContext[RunRequest, RunResponse]


class RequestStream(service.RequestStreamServiceServicer):
    """The service. It runs on the event loop of the server that VllmEngine is served by."""

    def __init__(self, generate: Generate) -> None:
        self._generate = generate
        #: Streams that end: their tasks must not be collected before they are done.
        self._ending: set[asyncio.Future[Any]] = set()
        self._open: set[Calls] = set()
        self._is_draining = False

    def drain(self) -> None:
        """End each stream as soon as nothing runs on it. May be called more than once."""
        self._is_draining = True
        for calls in self._open:
            calls.drain()

    async def Run(self, requests: AsyncIterator[RunRequest], context: _Context) -> None:  # noqa: N802
        """Serve one stream. gRPC cancels this when the caller is gone."""
        await context.send_initial_metadata(())
        calls = Calls(self._generate)
        self._open.add(calls)
        if self._is_draining:
            # A server takes what reached it before it began to stop.
            calls.drain()
        reader = asyncio.create_task(_read(requests, calls), name="holdfast-stream-reader")
        writer = asyncio.create_task(calls.write_to(context.write), name="holdfast-stream-writer")
        try:
            await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._open.discard(calls)
            reader.cancel()
            writer.cancel()
            ending = asyncio.gather(reader, writer, calls.end(), return_exceptions=True)
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            # A server that stops cancels once more.
            outcomes = await asyncio.shield(ending)
        await _close(context, outcomes)


async def _read(requests: AsyncIterator[RunRequest], calls: Calls) -> None:
    async for request in requests:
        await calls.take(request)


async def _close(context: _Context, outcomes: Iterable[BaseException | None]) -> None:
    """End the stream with the error among its outcomes, if there is one."""
    for error in outcomes:
        if isinstance(error, HoldfastError):
            await context.abort(status_code(error), error.message, ((TRAILER, status_details(error)),))
        if isinstance(error, Exception):
            raise error
