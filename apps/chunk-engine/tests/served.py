"""A chunk engine behind its wire, as tests call it: a real server, a small random model, real files."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import grpc
from google.rpc import error_details_pb2, status_pb2

from holdfast_chunks._generated import chunk_engine_service_pb2 as service
from holdfast_chunks._generated import chunk_engine_service_pb2_grpc as stubs
from holdfast_chunks._generated import chunk_pb2 as wire
from holdfast_chunks.service.engine import ChunkEngine, Settings
from holdfast_chunks.service.server import ChunkEngineServer

SYSTEM, CHUNK, QUESTION = list(range(5, 25)), list(range(40, 80)), list(range(90, 100))
PROMPT = SYSTEM + CHUNK + QUESTION
OPERATIONS = map(str, itertools.count())


class Running:
    """A server and a client of it."""

    def __init__(self, model: Path, folder: Path, **settings: int) -> None:
        self.engine = ChunkEngine(Settings(model=model, folder=folder, **settings))  # type: ignore[arg-type]
        self.server = ChunkEngineServer(self.engine, "127.0.0.1:0")
        self.server.start()
        self.channel = grpc.insecure_channel(self.server.address)
        self.client = stubs.ChunkEngineServiceStub(self.channel)

    def close(self) -> None:
        self.channel.close()
        self.server.stop()
        self.engine.close()


def build(
    running: Running, name: str, *, prefix: list[int] = SYSTEM, salt: str = "a", version: str = "1"
) -> wire.Variant:
    item = service.BuildItem(
        variant=wire.VariantSpec(variant_id=name, chunk_id="c", salt=salt, source="s", source_version=version),
        prefix=[service.BuildPart(token_ids=prefix)] if prefix else [],
        token_ids=CHUNK,
    )
    request = service.BuildRequest(op_id=next(OPERATIONS), items=[item], with_stats=True)
    answer: service.BuildResponse = running.client.Build(request)
    return answer.variants[0]


def plan(name: str, *, generation: int = 0, **reuse: object) -> wire.Plan:
    parts = [
        wire.Segment(segment_id=0, range=wire.TokenRange(start=0, end=20), compute=wire.ComputeSegment()),
        wire.Segment(
            segment_id=1,
            range=wire.TokenRange(start=20, end=60),
            reuse=wire.ReuseSegment(variant_id=name, generation=generation, **reuse),  # type: ignore[arg-type]
        ),
        wire.Segment(segment_id=2, range=wire.TokenRange(start=60, end=70), compute=wire.ComputeSegment(question=True)),
    ]
    return wire.Plan(segments=parts)


def execute(
    running: Running, plan: wire.Plan | None = None, *, salt: str = "a", **fields: object
) -> tuple[list[int], service.ExecuteResult]:
    request = service.ExecuteRequest(
        request_id="r",
        salt=salt,
        token_ids=PROMPT,
        plan=plan,
        sampling=service.Sampling(max_tokens=6, ignore_stop_tokens=True),
        **fields,  # type: ignore[arg-type]
    )
    answers = list(running.client.Execute(request))
    return [answer.token.token_id for answer in answers[:-1]], answers[-1].result


def reason_of(error: grpc.RpcError) -> str:
    trailers = {item.key: item.value for item in error.trailing_metadata()}
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    return str(info.reason)


def until(holds: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
