"""A gRPC server with a scripted VllmEngine and the plug-in's service beside it, and a caller of its streams."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from holdfast_vllm._generated import request_stream_service_pb2 as messages
from holdfast_vllm._generated import request_stream_service_pb2_grpc as service
from holdfast_vllm.front.plugin import register

pytest.importorskip("smg_grpc_proto", reason="the messages of VllmEngine are those of smg-grpc-proto")
from smg_grpc_proto import vllm_engine_pb2 as engine
from smg_grpc_proto import vllm_engine_pb2_grpc as engine_service

OURS = "holdfast_vllm.HoldfastScheduler"
#: Longer than anything here takes.
PATIENCE_SECONDS = 10.0

Script = Callable[[Any, Any], AsyncGenerator[Any, None]]


def add_function() -> object:
    """What adds VllmEngine to a server now."""
    return engine_service.add_VllmEngineServicer_to_server


def chunk(*token_ids: int) -> Any:
    return engine.GenerateResponse(chunk=engine.GenerateStreamChunk(token_ids=token_ids))


def complete(*output_ids: int) -> Any:
    return engine.GenerateResponse(complete=engine.GenerateComplete(output_ids=output_ids, finish_reason="stop"))


class Servicer(engine_service.VllmEngineServicer):  # type: ignore[misc]
    """VllmEngine whose Generate does what a script says, by the id of the request."""

    def __init__(self, scheduler: object) -> None:
        self.engine = SimpleNamespace(
            vllm_config=SimpleNamespace(scheduler_config=SimpleNamespace(scheduler_cls=scheduler))
        )
        self.scripts: dict[str, Script] = {}
        self.started: list[str] = []
        self.ended: list[str] = []

    async def Generate(self, request: Any, context: Any) -> AsyncGenerator[Any, None]:  # noqa: N802
        self.started.append(request.request_id)
        try:
            async for answer in self.scripts[request.request_id](request, context):
                yield answer
        finally:
            self.ended.append(request.request_id)


class Caller:
    """One stream, from the side of its caller."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def start(self, call_id: int, request_id: str = "", window: int = 100, **fields: Any) -> None:
        request = engine.GenerateRequest(request_id=request_id, **fields.pop("request", {}))
        fields.setdefault("generate_request", request.SerializeToString())
        start = messages.StartAction(window=window, **fields)
        await self.call.write(messages.RunRequest(call_id=call_id, start=start))

    async def cancel(self, call_id: int) -> None:
        await self.call.write(messages.RunRequest(call_id=call_id, cancel=messages.CancelAction()))

    async def grant(self, call_id: int, responses: int) -> None:
        await self.call.write(messages.RunRequest(call_id=call_id, grant=messages.GrantAction(responses=responses)))

    async def news(self) -> Any:
        return await asyncio.wait_for(self.call.read(), PATIENCE_SECONDS)

    async def rest(self) -> None:
        """Read to the end of the stream."""
        while await self.news() is not grpc.aio.EOF:
            pass

    async def is_silent(self) -> bool:
        """True when no news come for a while. Only the last question of a test: it gives the stream up."""
        try:
            await asyncio.wait_for(self.call.read(), 0.1)
        except asyncio.TimeoutError:
            return True
        return False

    async def answers(self, call_id: int) -> tuple[list[Any], Any]:
        """All answers of the only request, and its end."""
        answers = []
        while True:
            news = await self.news()
            assert news.call_id == call_id
            if news.generate_response:
                answers.append(engine.GenerateResponse.FromString(news.generate_response))
            if news.HasField("end"):
                return answers, news.end


class Relay:
    """A connection that can be cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until it is cut."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, far_writer]
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()


class Served:
    """The server, and a channel to it."""

    def __init__(self, server: grpc.aio.Server, servicer: Servicer, relay: Relay, channel: grpc.aio.Channel) -> None:
        self.server = server
        self.servicer = servicer
        self.relay = relay
        self.channel = channel
        self.callers: list[Caller] = []

    def open(self) -> Caller:
        self.callers.append(Caller(service.RequestStreamServiceStub(self.channel).Run()))
        return self.callers[-1]

    async def generate(self, request_id: str) -> list[Any]:
        call = engine_service.VllmEngineStub(self.channel).Generate(engine.GenerateRequest(request_id=request_id))
        return [answer async for answer in call]


@asynccontextmanager
async def serving(scheduler: object = OURS, **scripts: Script) -> AsyncIterator[Served]:
    """A server whose engine runs that scheduler. Nothing may be left when it ends."""
    problems: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, problem: problems.append(problem))
    register()
    servicer = Servicer(scheduler)
    servicer.scripts.update(scripts)
    server = grpc.aio.server()
    engine_service.add_VllmEngineServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    relay = Relay(port)
    listener = await asyncio.start_server(relay.carry, "127.0.0.1", 0)
    address = "{}:{}".format(*listener.sockets[0].getsockname())
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            served = Served(server, servicer, relay, channel)
            yield served
            for caller in served.callers:
                caller.call.cancel()
            await eventually(lambda: not holdfast_tasks())
    finally:
        await server.stop(None)
        relay.cut()
        listener.close()
    gc.collect()
    await asyncio.sleep(0)
    assert sorted(servicer.started) == sorted(servicer.ended)
    assert problems == []


def holdfast_tasks() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("holdfast")}


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while not condition():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.005)


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run an asynchronous test."""

    async def bounded() -> None:
        await asyncio.wait_for(test(), 3 * PATIENCE_SECONDS)

    asyncio.run(bounded())
