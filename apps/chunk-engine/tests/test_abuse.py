"""Clients that hang, vanish and send garbage, and a disk without room: the engine goes on."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from holdfast_chunks._generated import chunk_engine_service_pb2 as service
from holdfast_chunks._generated import chunk_engine_service_pb2_grpc as stubs
from holdfast_chunks._generated import chunk_pb2 as wire
from holdfast_chunks.service.relay import relayed
from tests.served import CHUNK, OPERATIONS, PROMPT, Running, build, execute, plan, reason_of, until

_METHOD = "/holdfast.chunk.v1.ChunkEngineService/Execute"


def test_a_client_that_does_not_read_its_answer_keeps_nobody_waiting(running: Running) -> None:
    # Its window takes no byte, so that the first token already cannot be sent.
    options = (("grpc.http2.lookahead_bytes", 0), ("grpc.http2.bdp_probe", 0))
    channel = grpc.insecure_channel(running.server.address, options)
    hanging = stubs.ChunkEngineServiceStub(channel).Execute(
        service.ExecuteRequest(
            request_id="hanging",
            token_ids=PROMPT,
            sampling=service.Sampling(max_tokens=400, ignore_stop_tokens=True),
        )
    )
    assert until(lambda: running.engine.counts.requests == 1)
    tokens, _ = execute(running)
    assert len(tokens) == 6
    hanging.cancel()
    channel.close()


def test_a_client_that_vanishes_in_mid_answer_frees_the_model(running: Running) -> None:
    long = service.Sampling(max_tokens=400, ignore_stop_tokens=True)
    answers = running.client.Execute(service.ExecuteRequest(request_id="gone", token_ids=PROMPT, sampling=long))
    next(answers)
    answers.cancel()
    tokens, _ = execute(running)
    assert len(tokens) == 6
    assert until(lambda: running.engine.turns.waiting == 0)


def test_garbage_on_the_wire_ends_its_own_call_and_nothing_else(running: Running) -> None:
    drawn = random.Random(3)  # noqa: S311
    host, _, port = running.server.address.rpartition(":")
    for length in (1, 17, 4_096, 100_000):
        with socket.create_connection((host, int(port)), timeout=30) as raw:
            raw.sendall(drawn.randbytes(length))
    call: grpc.UnaryStreamMultiCallable[bytes, bytes] = running.channel.unary_stream(_METHOD)
    refused = set()
    for length in (1, 8, 64, 4_096):
        with pytest.raises(grpc.RpcError) as caught:
            list(call(b"\xff" + drawn.randbytes(length), timeout=60))
        refused.add(caught.value.code())
    assert refused <= {grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNKNOWN}
    unknown: grpc.UnaryUnaryMultiCallable[bytes, bytes] = running.channel.unary_unary(f"{_METHOD}Nothing")
    with pytest.raises(grpc.RpcError) as caught:
        unknown(b"", timeout=60)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    with pytest.raises(grpc.RpcError) as caught:
        list(call(bytes((64 << 20) + 1), timeout=60))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    tokens, _ = execute(running)
    assert len(tokens) == 6


def test_a_turn_is_answered_though_nothing_can_be_stored(running: Running, tmp_path: Path) -> None:
    folder = tmp_path / "kv"
    files = running.engine.store._files

    def deny(name: str, generation: int) -> None:
        (folder / f"{files.name_of(name, generation)}.new").symlink_to("/dev/full")

    capturing = plan("")
    capturing.segments[1].compute.SetInParent()
    capturing.captures.add(segment_id=1, variant=wire.VariantSpec(variant_id="v", chunk_id="c", salt="a"))
    deny("v", 1)
    tokens, result = execute(running, capturing)
    assert (len(tokens), list(result.captured)) == (6, [])
    deny("w", 2)
    with pytest.raises(grpc.RpcError) as caught:
        build(running, "w")
    assert reason_of(caught.value) == "STORAGE_UNAVAILABLE"
    assert list(folder.iterdir()) == []
    assert build(running, "w").generation == 3
    item = service.BuildItem(variant=wire.VariantSpec(variant_id="x", chunk_id="c"), token_ids=CHUNK)
    running.client.Build(service.BuildRequest(op_id=next(OPERATIONS), items=[item]))
    assert len(list(folder.iterdir())) == 2


def test_messages_are_made_though_nobody_takes_them_and_who_stalls_is_cut_off() -> None:
    made, cut_off = [], threading.Event()

    def make() -> range:
        made.append(True)
        return range(3)

    messages = relayed(lambda: iter(make()), cut_off.set, stall_seconds=0.05)
    assert next(messages) == 0
    assert cut_off.wait(30)
    assert list(messages) == [1, 2]


def test_what_goes_wrong_is_raised_where_the_messages_are_taken() -> None:
    def make() -> Iterator[int]:
        yield 1
        raise LookupError("gone")

    messages = relayed(make, lambda: None)
    assert next(messages) == 1
    with pytest.raises(LookupError, match="gone"):
        next(messages)
