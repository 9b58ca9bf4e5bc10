"""Stored variants over the wire, and the line of calls."""

from __future__ import annotations

import threading
from pathlib import Path

import grpc
import pytest

from holdfast_chunks._generated import chunk_engine_service_pb2 as service
from holdfast_chunks._generated import chunk_engine_service_pb2_grpc as stubs
from holdfast_chunks._generated import chunk_pb2 as wire
from holdfast_chunks.model.tokens import token_digest
from tests.served import CHUNK, OPERATIONS, PROMPT, SYSTEM, Running, build, execute, plan, reason_of, until
from tests.tiny_model import write_tiny_model


def test_placing_moves_pins_and_evicts(running: Running) -> None:
    build(running, "v")

    def place(
        action: service.PlaceAction.ValueType, tier: wire.Tier.ValueType = wire.TIER_UNSPECIFIED
    ) -> service.PlaceResult:
        item = service.PlaceItem(variant_id="v", action=action, tier=tier)
        answer: service.PlaceResponse = running.client.Place(service.PlaceRequest(op_id=next(OPERATIONS), items=[item]))
        return answer.results[0]

    assert list(place(service.PLACE_ACTION_DROP, wire.TIER_MEMORY).tiers) == [wire.TIER_DISK]
    assert place(service.PLACE_ACTION_DROP, wire.TIER_DISK).refused_reason != ""
    assert list(place(service.PLACE_ACTION_COPY, wire.TIER_MEMORY).tiers) == [wire.TIER_MEMORY, wire.TIER_DISK]
    assert place(service.PLACE_ACTION_PIN).done
    assert running.client.ListVariants(service.ListVariantsRequest()).variants[0].pinned
    assert place(service.PLACE_ACTION_UNPIN).done
    assert list(place(service.PLACE_ACTION_EVICT).tiers) == []
    assert place(service.PLACE_ACTION_EVICT).refused_reason == "not held"


def test_invalidation_takes_old_versions_of_a_source_and_nothing_else(running: Running) -> None:
    build(running, "old", version="1")
    build(running, "new", version="2")
    gone = running.client.Invalidate(
        service.InvalidateRequest(op_id=next(OPERATIONS), source="s", keep_source_version="2")
    )
    assert list(gone.variant_ids) == ["old"]
    with pytest.raises(grpc.RpcError) as caught:
        running.client.Invalidate(service.InvalidateRequest(op_id=next(OPERATIONS)))
    assert reason_of(caught.value) == "FIELD_INVALID"


def test_variants_are_listed_page_by_page(running: Running) -> None:
    for name in "abc":
        build(running, name)
    first = running.client.ListVariants(service.ListVariantsRequest(page_size=2))
    second = running.client.ListVariants(service.ListVariantsRequest(page_size=2, page_token=first.next_page_token))
    assert [item.spec.variant_id for item in (*first.variants, *second.variants)] == ["a", "b", "c"]
    assert second.next_page_token == ""


def test_events_are_watched_from_a_sequence_on(running: Running) -> None:
    build(running, "v")
    build(running, "w")
    stream = running.client.WatchEvents(service.WatchEventsRequest(since=1))
    assert next(stream).event.variant_id == "w"
    running.client.Invalidate(service.InvalidateRequest(op_id=next(OPERATIONS), variant_ids=["v"]))
    event = next(stream).event
    assert (event.kind, event.variant_id, event.sequence) == (wire.EVENT_KIND_EVICTED, "v", 3)
    stream.cancel()


def test_a_watcher_that_asks_often_whether_the_engine_is_there_keeps_its_stream(running: Running) -> None:
    options = (("grpc.keepalive_time_ms", 1_000), ("grpc.http2.max_pings_without_data", 0))
    channel = grpc.insecure_channel(running.server.address, options)
    stream = stubs.ChunkEngineServiceStub(channel).WatchEvents(service.WatchEventsRequest())
    # Long enough for the pings after which a server closes a connection unless it is told not to.
    later = threading.Timer(6, lambda: build(running, "v"))
    later.start()
    assert next(stream).event.variant_id == "v"
    later.join()
    stream.cancel()
    channel.close()


def test_a_probe_tells_the_nearer_variant(running: Running) -> None:
    build(running, "near", prefix=SYSTEM)
    build(running, "far", prefix=[3] * 50)
    answer = running.client.Probe(
        service.ProbeRequest(
            salt="a",
            token_ids=PROMPT,
            range=wire.TokenRange(start=20, end=60),
            variant_ids=["near", "far", "none"],
            layers=3,
        )
    )
    near, far, none = answer.estimates
    assert near.deviation == pytest.approx(0, abs=1e-6)
    assert far.deviation > 1e-3
    assert none.miss_reason == wire.MISS_REASON_ABSENT


def test_variants_outlive_the_engine_and_another_model_never_sees_them(model: Path, tmp_path: Path) -> None:
    first = Running(model, tmp_path / "kv")
    build(first, "v")
    full, _ = execute(first)
    epoch = first.engine.epoch
    first.close()
    second = Running(model, tmp_path / "kv")
    tokens, result = execute(second, plan("v", generation=1, token_digest=token_digest(CHUNK)))
    assert (tokens, result.reused_tokens, result.segments[1].loaded_from) == (full, 40, wire.TIER_DISK)
    assert second.engine.epoch != epoch
    second.close()
    other = write_tiny_model(tmp_path / "other")
    config = (other / "config.json").read_text().replace("10000.0", "20000.0")
    (other / "config.json").write_text(config)
    third = Running(other, tmp_path / "kv")
    assert list(third.client.ListVariants(service.ListVariantsRequest()).variants) == []
    assert list((tmp_path / "kv").iterdir()) == []
    third.close()


def test_reconcile_leaves_what_both_know(running: Running, tmp_path: Path) -> None:
    for name in "ab":
        build(running, name)
    (tmp_path / "kv" / "orphan.safetensors.new").write_bytes(b"half a file")
    known = [service.KnownVariant(variant_id="a", generation=1), service.KnownVariant(variant_id="x", generation=1)]
    answer = running.client.Reconcile(service.ReconcileRequest(op_id=next(OPERATIONS), known=known))
    assert (list(answer.missing_variant_ids), list(answer.dropped_variant_ids)) == (["x"], ["b"])
    assert answer.orphan_files_removed == 1
    assert len(list((tmp_path / "kv").iterdir())) == 1


def test_a_tier_that_is_full_drops_what_was_used_longest_ago_but_no_pin(model: Path, tmp_path: Path) -> None:
    one = 40 * 2 * 3 * 2 * 8 * 4
    small = Running(model, tmp_path / "kv", memory_bytes=10 * one, disk_bytes=2 * one)
    build(small, "a")
    pin = service.PlaceItem(variant_id="a", action=service.PLACE_ACTION_PIN)
    small.client.Place(service.PlaceRequest(op_id=next(OPERATIONS), items=[pin]))
    build(small, "b")
    build(small, "c")
    held = small.client.ListVariants(service.ListVariantsRequest()).variants
    assert [item.spec.variant_id for item in held] == ["a", "c"]
    small.close()


def test_a_call_too_many_is_refused_while_others_wait_in_line(model: Path, tmp_path: Path) -> None:
    small = Running(model, tmp_path / "kv", max_waiting=1)
    with small.engine.turns.turn(lambda: None):
        request = service.ExecuteRequest(request_id="r", token_ids=PROMPT, sampling=service.Sampling(max_tokens=1))
        waiting = small.client.Execute(request)
        assert until(lambda: small.engine.turns.waiting == 1)
        with pytest.raises(grpc.RpcError) as caught:
            list(small.client.Execute(request))
        assert reason_of(caught.value) == "QUEUE_FULL"
    assert len(list(waiting)) == 2
    small.close()


def test_a_caller_that_is_gone_or_too_late_leaves_the_line(running: Running) -> None:
    request = service.ExecuteRequest(request_id="r", token_ids=PROMPT, sampling=service.Sampling(max_tokens=1))
    with running.engine.turns.turn(lambda: None):
        gone = running.client.Execute(request)
        assert until(lambda: running.engine.turns.waiting == 1)
        gone.cancel()
        assert until(lambda: running.engine.turns.waiting == 0)
        request.deadline_ms = 1
        with pytest.raises(grpc.RpcError) as caught:
            list(running.client.Execute(request))
    assert reason_of(caught.value) == "ENGINE_DEADLINE"
