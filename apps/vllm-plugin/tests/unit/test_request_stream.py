"""RequestStreamService over a real socket, beside a scripted Generate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import grpc
import pytest
from google.rpc import status_pb2

from holdfast_vllm._generated import request_stream_service_pb2 as messages
from tests.unit.stream_checks import asynchronous, failure, reason_of
from tests.unit.streaming import Caller, Served, chunk, complete, eventually, serving

CODES = grpc.StatusCode


async def three(_request: Any, _context: Any) -> AsyncGenerator[Any, None]:
    for number in (1, 2):
        yield chunk(number)
    yield complete(1, 2)


async def endless(_request: Any, _context: Any) -> AsyncGenerator[Any, None]:
    number = 0
    while True:
        yield chunk(number)
        number += 1
        await asyncio.sleep(0)


async def nothing_yet(_request: Any, _context: Any) -> AsyncGenerator[Any, None]:
    await asyncio.Event().wait()
    yield chunk(1)


@asynchronous
async def test_headers_come_before_anything_is_asked() -> None:
    async with serving() as served:
        caller = served.open()
        await asyncio.wait_for(caller.call.initial_metadata(), 10)
        await caller.call.done_writing()
        assert await caller.news() is grpc.aio.EOF
        assert await caller.call.code() is CODES.OK


@asynchronous
async def test_answers_are_those_of_generate_and_the_last_travels_with_the_end() -> None:
    async with serving(a=three) as served:
        caller = served.open()
        await caller.start(7, "a")
        news = [await caller.news() for _ in range(3)]
        assert [(item.call_id, item.HasField("end")) for item in news] == [(7, False), (7, False), (7, True)]
        assert [item.generate_response for item in news] == [
            answer.SerializeToString() for answer in await served.generate("a")
        ]
        assert news[2].end == messages.CallEnd()
        # The id is free again.
        await caller.start(7, "a")
        assert await caller.answers(7) == (await served.generate("a"), messages.CallEnd())


@asynchronous
async def test_several_choices_end_with_the_last_of_them() -> None:
    other_may_end = asyncio.Event()

    async def two_choices(_request: Any, _context: Any) -> AsyncGenerator[Any, None]:
        yield complete(1)
        await other_may_end.wait()
        yield complete(2)

    async with serving(a=two_choices) as served:
        caller = served.open()
        await caller.start(1, "a", request={"sampling_params": {"n": 2}})
        first = await caller.news()
        assert (first.generate_response, first.HasField("end")) == (complete(1).SerializeToString(), False)
        other_may_end.set()
        assert await caller.answers(1) == ([complete(2)], messages.CallEnd())


@asynchronous
async def test_requests_take_turns() -> None:
    steps: asyncio.Queue[None] = asyncio.Queue()

    async def stepwise(_request: Any, _context: Any) -> AsyncGenerator[Any, None]:
        await steps.get()
        yield chunk(1)
        await steps.get()
        yield complete(1)

    async with serving(a=stepwise, b=stepwise) as served:
        caller = served.open()
        await caller.start(1, "a")
        await caller.start(2, "b")
        await eventually(lambda: len(served.servicer.started) == 2)
        order = []
        for _ in range(4):
            steps.put_nowait(None)
            news = await caller.news()
            order.append((news.call_id, news.HasField("end")))
        assert order == [(1, False), (2, False), (1, True), (2, True)]


@asynchronous
async def test_a_window_holds_back_only_its_own_request() -> None:
    async with serving(a=endless, b=three) as served:
        caller = served.open()
        await caller.start(1, "a", window=2)
        assert [(await caller.news()).call_id for _ in range(2)] == [1, 1]
        await caller.grant(1, 0)
        await caller.grant(9, 5)
        await caller.start(2, "b", window=3)
        assert [(await caller.news()).call_id for _ in range(3)] == [2, 2, 2]
        await caller.grant(1, 3)
        assert [(await caller.news()).call_id for _ in range(3)] == [1, 1, 1]
        assert await caller.is_silent()


@asynchronous
async def test_the_end_needs_no_window() -> None:
    async def without_completion(_request: Any, _context: Any) -> AsyncGenerator[Any, None]:
        yield chunk(1)

    async with serving(a=without_completion, b=three) as served:
        caller = served.open()
        await caller.start(1, "a", window=1)
        assert await caller.answers(1) == ([chunk(1)], messages.CallEnd())
        await caller.start(2, "b", window=2)
        assert not (await caller.news()).HasField("end")
        assert not (await caller.news()).HasField("end")
        await caller.grant(2, 1)
        assert (await caller.news()).HasField("end")


@pytest.mark.parametrize("script", [endless, nothing_yet])
@pytest.mark.parametrize("window", [1, 4_000_000_000])
@asynchronous
async def test_a_cancelled_request_ends_in_the_engine_and_is_silent(script: Any, window: int) -> None:
    async with serving(a=script, b=three) as served:
        caller = served.open()
        await caller.start(1, "a", window=window)
        await eventually(lambda: served.servicer.started == ["a"])
        await caller.cancel(1)
        await caller.cancel(1)
        await caller.cancel(9)
        await eventually(lambda: served.servicer.ended == ["a"])
        await caller.start(2, "b")
        while (news := await caller.news()).call_id != 2:
            assert not news.HasField("end")
        # Everything of the cancelled request is behind: only the other one is still heard of.
        await caller.grant(1, 5)
        assert [(await caller.news()).call_id for _ in range(2)] == [2, 2]
        assert await caller.is_silent()


@asynchronous
async def test_news_that_wait_when_a_request_is_cancelled_are_not_sent() -> None:
    from holdfast_vllm.front.calls import Calls  # noqa: PLC0415

    written: list[messages.RunResponse] = []

    async def write(news: messages.RunResponse) -> None:
        written.append(news)

    waiting = Calls(three)
    for call_id in (1, 2):
        start = messages.StartAction(window=9, generate_request=b"")
        await waiting.take(messages.RunRequest(call_id=call_id, start=start))
    await asyncio.sleep(0.05)
    await waiting.take(messages.RunRequest(call_id=1, cancel=messages.CancelAction()))
    writer = asyncio.create_task(waiting.write_to(write))
    await eventually(lambda: len(written) == 3)
    writer.cancel()
    await waiting.end()
    assert [news.call_id for news in written] == [2, 2, 2]


@asynchronous
async def test_an_error_of_generate_is_the_end() -> None:
    async def refused(_request: Any, context: Any) -> AsyncGenerator[Any, None]:
        yield chunk(1)
        try:
            await context.abort(CODES.RESOURCE_EXHAUSTED, "full")
        except Exception:
            # As with gRPC, the first status stays.
            await context.abort(CODES.INTERNAL, "aborted twice")

    async def broken(_request: Any, _context: Any) -> AsyncGenerator[Any, None]:
        yield complete(1)
        raise KeyError("lost")

    async def given_up(_request: Any, _context: Any) -> AsyncGenerator[Any, None]:
        yield chunk(1)
        raise asyncio.CancelledError

    async def with_details(_request: Any, context: Any) -> AsyncGenerator[Any, None]:
        trailer = ("grpc-status-details-bin", status_pb2.Status(code=5).SerializeToString())
        await context.abort(CODES.NOT_FOUND, "gone", (trailer,))
        yield chunk(1)

    async with serving(refused=refused, broken=broken, given_up=given_up, details=with_details) as served:
        caller = served.open()
        for call_id, (request_id, answers, code, message) in enumerate(
            [
                ("refused", [chunk(1)], CODES.RESOURCE_EXHAUSTED, "full"),
                ("broken", [complete(1)], CODES.INTERNAL, "KeyError: 'lost'"),
                ("given_up", [chunk(1)], CODES.CANCELLED, "the engine gave the request up"),
            ],
            start=1,
        ):
            await caller.start(call_id, request_id)
            assert await caller.answers(call_id) == (answers, messages.CallEnd(code=code.value[0], message=message))
        await caller.start(9, "details")
        _, end = await caller.answers(9)
        assert (end.code, end.message, status_pb2.Status.FromString(end.details).code) == (5, "gone", 5)


@asynchronous
async def test_a_request_that_cannot_be_read_ends_alone() -> None:
    async with serving(a=three) as served:
        caller = served.open()
        await caller.start(1, generate_request=b"\xff\xff")
        _, end = await caller.answers(1)
        assert end.code == CODES.INVALID_ARGUMENT.value[0]
        assert end.message.startswith("start.generate_request is 2 bytes that cannot be read")
        assert end.message.endswith("; allowed: a serialized vllm.grpc.engine.GenerateRequest")
        assert reason_of(end.details) == (end.code, "FIELD_INVALID", ["start.generate_request"])
        await caller.start(1, "a", window=0)
        _, end = await caller.answers(1)
        assert (end.code, end.message) == (3, "start.window is 0; allowed: 1 or more")
        assert reason_of(end.details) == (3, "FIELD_INVALID", ["start.window"])
        await caller.start(1, "a")
        assert (await caller.answers(1))[1] == messages.CallEnd()


@asynchronous
async def test_too_many_requests_are_refused_until_one_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast_vllm.front.calls.MAX_CALLS", 2)
    async with serving(a=nothing_yet, b=nothing_yet, c=three) as served:
        caller = served.open()
        await caller.start(1, "a")
        await caller.start(2, "b")
        await caller.start(3, "c")
        _, end = await caller.answers(3)
        assert (end.code, end.message) == (8, "2 requests run on this stream already; allowed: 2 at once")
        assert reason_of(end.details) == (8, "QUEUE_FULL", [])
        await caller.cancel(2)
        await eventually(lambda: served.servicer.ended == ["b"])
        await caller.start(3, "c")
        assert (await caller.answers(3))[1] == messages.CallEnd()


async def start_of_0(caller: Caller) -> None:
    await caller.start(0, "a")


async def start_in_use(caller: Caller) -> None:
    await caller.start(1, "a")


async def no_action(caller: Caller) -> None:
    await caller.call.write(messages.RunRequest(call_id=3))


@pytest.mark.parametrize(
    ("act", "field", "message"),
    [
        (start_of_0, "call_id", "call_id is 0; allowed: a number above 0"),
        (start_in_use, "call_id", "call_id is 1, which is in use; allowed: one that is not"),
        (no_action, "action", "action is unset; allowed: start, cancel or grant"),
    ],
)
@asynchronous
async def test_an_action_without_a_meaning_ends_the_stream(act: Any, field: str, message: str) -> None:
    async with serving(a=endless, b=nothing_yet) as served:
        caller = served.open()
        await caller.start(1, "a", window=3)
        await caller.start(2, "b")
        await eventually(lambda: len(served.servicer.started) == 2)
        await act(caller)
        code, text, details = await failure(caller)
        assert (code, text) == (CODES.INVALID_ARGUMENT, message)
        assert reason_of(details) == (3, "FIELD_INVALID", [field])
        assert sorted(served.servicer.ended) == ["a", "b"]


async def leave(_served: Served, caller: Caller) -> None:
    caller.call.cancel()


async def half_close(_served: Served, caller: Caller) -> None:
    await caller.call.done_writing()


async def hang_up(served: Served, _caller: Caller) -> None:
    served.relay.cut()


@pytest.mark.parametrize("end", [leave, half_close, hang_up])
@pytest.mark.parametrize("window", [1, 4_000_000_000])
@asynchronous
async def test_the_end_of_the_stream_aborts_what_runs_on_it(end: Any, window: int) -> None:
    async with serving(a=endless, b=nothing_yet) as served:
        caller = served.open()
        await caller.start(1, "a", window=window)
        await caller.start(2, "b", window=window)
        await eventually(lambda: len(served.servicer.started) == 2)
        await caller.news()
        await end(served, caller)
        await eventually(lambda: sorted(served.servicer.ended) == ["a", "b"])


@asynchronous
async def test_a_caller_that_reads_nothing_is_not_answered_without_end() -> None:
    sent = 0

    async def large(_request: Any, _context: Any) -> AsyncGenerator[Any, None]:
        nonlocal sent
        while True:
            yield chunk(*range(100_000))
            sent += 1

    async with serving(a=large) as served:
        caller = served.open()
        await caller.start(1, "a", window=4_000_000_000)
        await eventually(lambda: sent > 0)
        before = -1
        while sent != before:
            before = sent
            await asyncio.sleep(0.2)
        assert sent < 100
        await caller.cancel(1)
        await eventually(lambda: served.servicer.ended == ["a"])


@asynchronous
async def test_trace_context_reaches_generate() -> None:
    seen = []

    async def traced(_request: Any, context: Any) -> AsyncGenerator[Any, None]:
        seen.append(dict(context.invocation_metadata()))
        yield complete(1)

    async with serving(a=traced) as served:
        caller = served.open()
        await caller.start(1, "a", traceparent="00-1-2-01", tracestate="vendor=1")
        await caller.answers(1)
        await caller.start(2, "a")
        await caller.answers(2)
    assert seen == [{"traceparent": "00-1-2-01", "tracestate": "vendor=1"}, {}]
