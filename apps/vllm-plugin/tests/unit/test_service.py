"""KvControl over a real socket, with a pool in memory."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from holdfast_vllm._generated import kv_control_service_pb2 as kv
from holdfast_vllm._generated import kv_control_service_pb2_grpc as kv_service
from holdfast_vllm._generated import kv_pb2
from holdfast_vllm.control.server import KvControlServer
from holdfast_vllm.control.service import KvControlService
from holdfast_vllm.control.stats import EngineFacts, EngineStats
from holdfast_vllm.control.watchers import MAX_HELD_EVENTS, MAX_WATCHERS, Watchers
from holdfast_vllm.pins.ledger import KvLedger
from holdfast_vllm.pins.pin import PinTerms
from holdfast_vllm.settings import Settings, SettingsError
from tests.unit.fake_store import FakeStore, keys_of

FACTS = EngineFacts("e1", "0.0.0", 10, 4, 8, 1.0, orders_by_rank=True, host_blocks=30)
LOOPBACK = Settings("127.0.0.1:0")


class Served:
    """A ledger, its server, and turns for it."""

    def __init__(self, settings: Settings = LOOPBACK, facts: EngineFacts = FACTS) -> None:
        self.store = FakeStore(10)
        self.watchers = Watchers()
        self.ranks = {"here": 0}
        self.ledger = KvLedger(
            self.store,
            total_blocks=10,
            block_tokens=4,
            max_pinned_fraction=0.5,
            clock=time.monotonic,
            listener=self.watchers.publish,
        )
        service = KvControlService(self.ledger, facts, self, self.watchers)
        self.server = KvControlServer(self.ledger, service, self.watchers, settings)
        self.server.start()

    def stats(self) -> EngineStats:
        with self.ledger.lock:
            pins, pinned, soft = self.ledger.pin_count(), self.ledger.pinned_blocks(), self.ledger.soft_blocks()
            free = self.store.free_blocks
            return EngineStats(free, soft, pinned, 10 - free - soft - pinned, 0, 0, pins, 1, 2, 3, 4)

    def rerank(self, request_id: str, rank: int) -> bool:
        if request_id not in self.ranks:
            return False
        self.ranks[request_id] = rank
        return True

    def turn(self, program_id: str, blocks: int) -> None:
        keys = keys_of(program_id, blocks)
        with self.ledger.lock:
            held = self.store.allocate(keys)
            self.ledger.finish_turn(program_id, keys, held, pin=None, is_last=False)
            self.store.give_back(held)


@pytest.fixture
def served() -> Iterator[Served]:
    running = Served()
    yield running
    running.server.stop()


@pytest.fixture
def stub(served: Served) -> Iterator[Any]:
    with grpc.insecure_channel(served.server.address) as channel:
        yield kv_service.KvControlStub(channel)


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str, list[tuple[str, str]]]:
    """Code, reason and malformed fields of a call that fails."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    trailers = {item.key: item.value for item in caught.value.trailing_metadata()}
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    assert status.code == caught.value.code().value[0]
    assert status.message == caught.value.details()
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert info.domain == "holdfast"
    for detail in status.details[1:]:
        assert detail.Unpack(request)
    fields = [(violation.field, violation.description) for violation in request.field_violations]
    return caught.value.code(), info.reason, fields


def test_the_service_describes_the_engine(stub: Any) -> None:
    info = stub.GetInfo(kv.GetInfoRequest())
    assert (info.interface_version, info.engine_kind, info.epoch) == (1, "vllm", "e1")
    assert (info.total_blocks, info.block_size, info.max_running_requests) == (10, 4, 8)
    assert info.host_blocks == 30
    assert info.orders_by_rank
    assert info.soft_pins
    assert info.reranks


def test_a_request_that_is_here_gets_a_new_rank(served: Served, stub: Any) -> None:
    largest = (1 << 53) - 1
    assert stub.Rerank(kv.RerankRequest(request_id="here", epoch="e1", rank=-largest)).reranked
    assert served.ranks == {"here": -largest}
    assert not stub.Rerank(kv.RerankRequest(request_id="gone", rank=1)).reranked
    assert refusal(lambda: stub.Rerank(kv.RerankRequest(rank=largest + 1)))[2] == [
        ("request_id", "is empty; allowed: the id of a request"),
        ("rank", f"is {largest + 1}; allowed: {-largest} to {largest}"),
    ]
    stale = kv.RerankRequest(request_id="here", epoch="e0", rank=1)
    assert refusal(lambda: stub.Rerank(stale)) == (grpc.StatusCode.ABORTED, "EPOCH_STALE", [])
    assert served.ranks == {"here": -largest}


def test_an_engine_without_an_order_by_rank_says_so_and_takes_none() -> None:
    running = Served(facts=replace(FACTS, orders_by_rank=False))
    try:
        with grpc.insecure_channel(running.server.address) as channel:
            stub = kv_service.KvControlStub(channel)
            assert not stub.GetInfo(kv.GetInfoRequest()).reranks
            call = kv.RerankRequest(request_id="here", rank=1)
            code = grpc.StatusCode.FAILED_PRECONDITION
            assert refusal(lambda: stub.Rerank(call)) == (code, "ENGINE_CAPABILITY_MISSING", [])
    finally:
        running.server.stop()
    assert running.ranks == {"here": 0}


def test_pins_are_set_renewed_listed_and_released(served: Served, stub: Any) -> None:
    served.turn("a", 3)
    pin = stub.Pin(kv.PinRequest(program_id="a", epoch="e1", ttl_ms=60_000, value=float("inf")))
    assert (pin.epoch, pin.pin.pinned_blocks, pin.pin.pinned_tokens, pin.pin.value) == ("e1", 3, 12, float("inf"))
    assert stub.Renew(kv.RenewRequest(program_id="a", ttl_ms=90_000, value=0)).pin.value == 0
    listed = stub.ListPins(kv.ListPinsRequest())
    assert [(entry.program_id, entry.expires_in_ms > 80_000) for entry in listed.pins] == [("a", True)]
    stats = stub.GetStats(kv.GetStatsRequest()).stats
    assert (stats.epoch, stats.pins, stats.pinned_blocks, stats.free_blocks) == ("e1", 1, 3, 7)
    assert stub.Release(kv.ReleaseRequest(program_id="a")).released
    assert not stub.Release(kv.ReleaseRequest(program_id="a")).released


def test_refusals_carry_code_reason_and_fields(served: Served, stub: Any) -> None:
    served.turn("a", 3)
    served.turn("big", 6)
    codes = grpc.StatusCode
    nan = float("nan")
    assert refusal(lambda: stub.Pin(kv.PinRequest(value=nan))) == (
        codes.INVALID_ARGUMENT,
        "FIELD_INVALID",
        [
            ("program_id", "is empty; allowed: the id of a program"),
            ("ttl_ms", "is 0; allowed: 1 to 4294967295"),
            ("value", "is nan; allowed: 0 or more, +Infinity included"),
        ],
    )
    negative = kv.RenewRequest(program_id="a", ttl_ms=1, value=-1)
    assert refusal(lambda: stub.Renew(negative))[2] == [("value", "is -1.0; allowed: 0 or more, +Infinity included")]
    stale = kv.ReleaseRequest(program_id="a", epoch="e0")
    assert refusal(lambda: stub.Release(stale)) == (codes.ABORTED, "EPOCH_STALE", [])
    nobody = kv.PinRequest(program_id="nobody", ttl_ms=1)
    assert refusal(lambda: stub.Pin(nobody)) == (codes.FAILED_PRECONDITION, "KV_NOT_RESIDENT", [])
    unpinned = kv.RenewRequest(program_id="a", ttl_ms=1)
    assert refusal(lambda: stub.Renew(unpinned)) == (codes.NOT_FOUND, "PIN_NOT_FOUND", [])
    big = kv.PinRequest(program_id="big", ttl_ms=1)
    assert refusal(lambda: stub.Pin(big)) == (codes.RESOURCE_EXHAUSTED, "PIN_CAP_REACHED", [])


def test_watch_sends_stats_first_then_each_event_at_once(served: Served, stub: Any) -> None:
    served.turn("a", 3)
    stream = stub.Watch(kv.WatchRequest(stats_interval_ms=60_000))
    assert next(stream).stats.total_blocks == 10
    stub.Pin(kv.PinRequest(program_id="a", ttl_ms=100))
    events = [next(stream).pin_event for _ in range(2)]
    assert [event.change for event in events] == [kv_pb2.PIN_CHANGE_SET, kv_pb2.PIN_CHANGE_EXPIRED]
    assert [event.sequence for event in events] == [1, 2]
    stream.cancel()


def test_watch_sends_stats_at_the_interval(stub: Any) -> None:
    stream = stub.Watch(kv.WatchRequest(stats_interval_ms=10))
    assert [next(stream).WhichOneof("payload") for _ in range(5)] == ["stats"] * 5
    stream.cancel()


@pytest.mark.parametrize("interval_ms", [1, 9, 60_001])
def test_an_interval_out_of_range_is_refused(stub: Any, interval_ms: int) -> None:
    call = kv.WatchRequest(stats_interval_ms=interval_ms)
    _, reason, fields = refusal(lambda: next(stub.Watch(call)))
    allowed = "allowed: 0, or 10 to 60000"
    assert (reason, fields) == ("FIELD_INVALID", [("stats_interval_ms", f"is {interval_ms}; {allowed}")])


def test_too_many_watchers_are_refused_until_one_leaves(served: Served, stub: Any) -> None:
    streams = [stub.Watch(kv.WatchRequest()) for _ in range(MAX_WATCHERS)]
    for stream in streams:
        next(stream)
    assert refusal(lambda: next(stub.Watch(kv.WatchRequest())))[1] == "QUEUE_FULL"
    streams[0].cancel()
    deadline = time.monotonic() + 10
    while served.watchers.count == MAX_WATCHERS and time.monotonic() < deadline:
        time.sleep(0.01)
    stream = stub.Watch(kv.WatchRequest())
    assert next(stream).WhichOneof("payload") == "stats"
    for open_stream in (*streams, stream):
        open_stream.cancel()


def test_a_slow_watcher_loses_events_and_sees_the_gap(served: Served) -> None:
    watcher = served.watchers.join()
    served.turn("a", 1)
    for _ in range(MAX_HELD_EVENTS):
        served.ledger.pin("a", PinTerms(ttl_ms=60_000))
        served.ledger.release("a")
    sequences = []
    while (event := watcher.next(0)) is not None:
        sequences.append(event.sequence)
    assert sequences == list(range(1, MAX_HELD_EVENTS + 1))
    served.ledger.pin("a", PinTerms(ttl_ms=60_000))
    event = watcher.next(1)
    assert event is not None
    assert event.sequence == 2 * MAX_HELD_EVENTS + 1


def test_stopping_ends_the_streams(served: Served, stub: Any) -> None:
    stream = stub.Watch(kv.WatchRequest(stats_interval_ms=60_000))
    next(stream)
    served.server.stop()
    with pytest.raises((StopIteration, grpc.RpcError)):
        next(stream)
    for thread in threading.enumerate():
        if thread.name == "holdfast-expiry":
            thread.join(10)
            assert not thread.is_alive()


def test_an_address_in_use_is_named(served: Served) -> None:
    with pytest.raises(SettingsError, match=f"cannot listen on kv_control_address '{served.server.address}'"):
        Served(Settings(served.server.address))


def test_with_certificates_only_known_clients_are_answered(tmp_path: Path) -> None:
    authority, key, certificate = certificates(tmp_path)
    settings = Settings("127.0.0.1:0", 1.0, str(certificate), str(key), str(authority))
    running = Served(settings)
    port = running.server.address.rpartition(":")[2]
    trusted = grpc.ssl_channel_credentials(authority.read_bytes(), key.read_bytes(), certificate.read_bytes())
    unknown = grpc.ssl_channel_credentials(authority.read_bytes())
    try:
        with grpc.secure_channel(f"localhost:{port}", trusted) as channel:
            assert kv_service.KvControlStub(channel).GetInfo(kv.GetInfoRequest(), timeout=10).epoch == "e1"
        with grpc.secure_channel(f"localhost:{port}", unknown) as channel, pytest.raises(grpc.RpcError) as caught:
            kv_service.KvControlStub(channel).GetInfo(kv.GetInfoRequest(), timeout=10)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        running.server.stop()


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.pem")
    with pytest.raises(SettingsError, match=r"tls_key is .*none\.pem', which cannot be read: No such file"):
        Served(Settings("127.0.0.1:0", 1.0, missing, missing, missing))


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """A key and a certificate for localhost, which is its own authority."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key, certificate
