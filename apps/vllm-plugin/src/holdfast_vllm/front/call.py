"""One request of a stream, from its start to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc

from holdfast_vllm._generated.request_stream_service_pb2 import CallEnd, RunResponse, StartAction
from holdfast_vllm.front.call_context import CallAbortedError, CallContext
from holdfast_vllm.front.window import Window

#: `Generate` of vLLM's servicer: a request and a context to answers.
Generate = Callable[[Any, CallContext], AsyncGenerator[Any, None]]

logger = logging.getLogger("vllm.holdfast")


class Call:
    """A request, and the task that answers it."""

    def __init__(self, call_id: int, start: StartAction, send: Callable[[Call, RunResponse], Awaitable[None]]) -> None:
        self.call_id = call_id
        self.window = Window(start.window)
        self.is_cancelled = False
        self._context = CallContext(start)
        self._send = send
        self._task: asyncio.Task[None] | None = None

    def begin(self, generate: Generate, request: Any) -> asyncio.Task[None]:
        """Start answering. The caller keeps the task until it is done."""
        self._task = asyncio.create_task(self._answer(generate, request), name=f"holdfast-call-{self.call_id}")
        return self._task

    def cancel(self) -> None:
        """Abort it in the engine. Nothing more is sent."""
        self.is_cancelled = True
        if self._task is not None:
            self._task.cancel()

    async def _answer(self, generate: Generate, request: Any) -> None:
        """Send all answers and the end. Raises nothing but the cancellation."""
        last = b""
        # Of a single choice nothing comes after the answer that completes it: it travels with the end, as one message.
        has_one_choice = request.sampling_params.n <= 1
        try:
            # Without aclosing, a generator that is left at a `yield` would end only when it is collected.
            async with aclosing(generate(request, self._context)) as answers:
                async for answer in answers:
                    await self.window.take()
                    if last:
                        await self._send(self, RunResponse(call_id=self.call_id, generate_response=last))
                    last = answer.SerializeToString()
                    if not (has_one_choice and answer.HasField("complete")):
                        await self._send(self, RunResponse(call_id=self.call_id, generate_response=last))
                        last = b""
            end = CallEnd()
        except CallAbortedError as error:
            end = error.end
        except asyncio.CancelledError:
            if self.is_cancelled:
                raise
            # Something inside the engine was cancelled, not this call: its caller must learn of it.
            end = _end(grpc.StatusCode.CANCELLED, "the engine gave the request up")
        except Exception as error:
            logger.exception("request %r of a stream failed", request.request_id)
            end = _end(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
        if not self.is_cancelled:
            await self._send(self, RunResponse(call_id=self.call_id, generate_response=last, end=end))


def _end(code: grpc.StatusCode, message: str) -> CallEnd:
    return CallEnd(code=code.value[0], message=message)
