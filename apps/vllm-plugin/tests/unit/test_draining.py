"""What becomes of the streams of a server that stops."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator
from typing import Any

import grpc
import pytest

from holdfast_vllm._generated import request_stream_service_pb2 as messages
from tests.unit.stream_checks import asynchronous, failure, reason_of
from tests.unit.streaming import Caller, Served, chunk, complete, eventually, run, serving

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
#: Longer than a test may wait for anything: who waits for the whole of it fails.
GRACE_SECONDS = 60.0


class Gated:
    """A script whose answers come when the gate opens, but for the first."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()

    async def __call__(self, _request: Any, _context: Any) -> AsyncGenerator[Any, None]:
        yield chunk(1)
        await self.gate.wait()
        yield chunk(2)
        yield complete(1, 2)


async def open_idle(served: Served) -> Caller:
    caller = served.open()
    await asyncio.wait_for(caller.call.initial_metadata(), 10)
    return caller


async def open_running(served: Served, window: int = 100) -> Caller:
    """A stream that runs request "a" as 1, whose first answer is read."""
    caller = served.open()
    await caller.start(1, "a", window=window)
    assert (await caller.news()).generate_response
    return caller


async def begin_to_stop(served: Served) -> asyncio.Task[None]:
    """Stop the server, with a stream of its own to tell when it has begun."""
    idle = await open_idle(served)
    stop = asyncio.create_task(served.server.stop(grace=GRACE_SECONDS))
    await assert_drained(idle)
    return stop


async def assert_drained(caller: Caller) -> None:
    """The stream ends, after whatever is left to read."""
    code, message, details = await failure(caller)
    assert (code, message) == (UNAVAILABLE, "the engine is shutting down")
    assert reason_of(details) == (14, "DRAINING", [])


@asynchronous
async def test_an_idle_stream_ends_while_a_request_of_another_still_runs() -> None:
    a = Gated()
    async with serving(a=a) as served:
        busy, idle = await open_running(served), await open_idle(served)
        stop = asyncio.create_task(served.server.stop(grace=GRACE_SECONDS))
        await assert_drained(idle)
        assert (served.servicer.ended, stop.done()) == ([], False)
        a.gate.set()
        assert await busy.answers(1) == ([chunk(2), complete(1, 2)], messages.CallEnd())
        await assert_drained(busy)
        await asyncio.wait_for(stop, 10)


@asynchronous
async def test_a_stream_on_which_all_has_ended_does_not_hold_the_stop_up() -> None:
    a = Gated()
    a.gate.set()
    async with serving(a=a) as served:
        caller = served.open()
        await caller.start(1, "a")
        await caller.answers(1)
        await asyncio.wait_for(served.server.stop(GRACE_SECONDS), 10)
        await assert_drained(caller)


@asynchronous
async def test_a_start_during_the_drain_is_refused() -> None:
    a = Gated()
    async with serving(a=a) as served:
        caller = await open_running(served)
        stop = await begin_to_stop(served)
        await caller.start(2, "a")
        await caller.start(3, generate_request=b"\xff\xff")
        for call_id in (2, 3):
            answers, end = await caller.answers(call_id)
            assert (answers, end.code, end.message) == ([], 14, "the engine is shutting down")
            assert reason_of(end.details) == (14, "DRAINING", [])
        a.gate.set()
        assert (await caller.answers(1))[1] == messages.CallEnd()
        await assert_drained(caller)
        await stop
        assert served.servicer.started == ["a"]


@asynchronous
async def test_an_action_without_a_meaning_still_ends_a_stream_that_drains() -> None:
    async with serving(a=Gated()) as served:
        caller = await open_running(served)
        stop = await begin_to_stop(served)
        await caller.start(0, "a")
        assert (await failure(caller))[0] is grpc.StatusCode.INVALID_ARGUMENT
        await stop


@asynchronous
async def test_a_request_that_its_caller_holds_back_may_send_the_rest() -> None:
    a = Gated()
    a.gate.set()
    async with serving(a=a) as served:
        caller = await open_running(served, window=1)
        stop = await begin_to_stop(served)
        await caller.grant(1, 2)
        assert await caller.answers(1) == ([chunk(2), complete(1, 2)], messages.CallEnd())
        await assert_drained(caller)
        await stop


@asynchronous
async def test_cancelling_the_last_request_ends_a_stream_that_drains() -> None:
    async with serving(a=Gated()) as served:
        caller = await open_running(served)
        stop = await begin_to_stop(served)
        await caller.cancel(1)
        await assert_drained(caller)
        await stop


@asynchronous
async def test_all_news_are_written_before_the_stream_ends() -> None:
    from holdfast_vllm.errors import HoldfastError, Reason  # noqa: PLC0415
    from holdfast_vllm.front.calls import Calls  # noqa: PLC0415

    a, written = Gated(), []
    a.gate.set()

    async def write(news: messages.RunResponse) -> None:
        written.append((news.call_id, news.HasField("end")))

    calls = Calls(a)
    for call_id in (1, 2):
        await calls.take(messages.RunRequest(call_id=call_id, start=messages.StartAction(window=9)))
    await asyncio.sleep(0.05)
    calls.drain()
    calls.drain()
    await calls.take(messages.RunRequest(call_id=3, start=messages.StartAction(window=9)))
    with pytest.raises(HoldfastError) as caught:
        await asyncio.wait_for(calls.write_to(write), 10)
    assert caught.value.reason is Reason.DRAINING
    assert sorted(written) == [(1, False), (1, False), (1, True), (2, False), (2, False), (2, True), (3, True)]


@asynchronous
async def test_a_stream_that_is_served_when_its_server_has_begun_to_stop_ends() -> None:
    from holdfast_vllm.front.request_stream import RequestStream  # noqa: PLC0415

    class AbortedError(Exception):
        pass

    class Context:
        async def send_initial_metadata(self, _metadata: Any) -> None:
            stream.drain()

        async def write(self, _news: Any) -> None:
            raise AssertionError

        async def abort(self, *status: Any) -> None:
            raise AbortedError(*status)

    async def no_requests() -> AsyncGenerator[Any, None]:
        await asyncio.Event().wait()
        yield

    stream = RequestStream(Gated())
    context: Any = Context()
    with pytest.raises(AbortedError) as caught:
        await asyncio.wait_for(stream.Run(no_requests(), context), 10)
    assert caught.value.args[:2] == (UNAVAILABLE, "the engine is shutting down")


@asynchronous
async def test_a_stream_that_has_ended_is_not_kept_for_the_drain() -> None:
    from holdfast_vllm.front.calls import Calls  # noqa: PLC0415

    def count() -> int:
        gc.collect()
        return sum(isinstance(thing, Calls) for thing in gc.get_objects())

    async with serving() as served:
        caller = await open_idle(served)
        assert count() == 1
        await caller.call.done_writing()
        await caller.rest()
        await eventually(lambda: count() == 0)


@pytest.mark.parametrize("grace", [None, 0.2])
def test_the_server_can_be_stopped_once_more_and_sooner(grace: float | None) -> None:
    async def test() -> None:
        async with serving(a=Gated()) as served:
            caller = await open_running(served)
            stop = await begin_to_stop(served)
            await served.server.stop(grace)
            await stop
            await eventually(lambda: served.servicer.ended == ["a"])
            with pytest.raises(grpc.aio.AioRpcError):
                await caller.rest()

    run(test)


@asynchronous
async def test_the_stop_of_other_servers_is_left_alone() -> None:
    async with serving() as served:
        assert "stop" in vars(served.server)
    async with serving(scheduler=None) as served:
        assert "stop" not in vars(served.server)
