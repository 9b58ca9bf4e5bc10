"""The engine behind its wire: a real server, a small random model, real files."""

from __future__ import annotations

import hashlib
import io
import itertools
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from holdfast_chunks._generated import chunk_engine_service_pb2 as service
from holdfast_chunks._generated import chunk_engine_service_pb2_grpc as stubs
from holdfast_chunks._generated import chunk_pb2 as wire
from holdfast_chunks.model.tokens import token_digest
from holdfast_chunks.service.engine import ChunkEngine, Settings
from holdfast_chunks.service.server import ChunkEngineServer
from tests.tiny_model import write_tiny_model

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


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def running(model: Path, tmp_path: Path) -> Iterator[Running]:
    made = Running(model, tmp_path / "kv")
    yield made
    made.close()


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


def test_health_serves_and_capabilities_say_what_the_engine_can_do(running: Running) -> None:
    check = health_pb2_grpc.HealthStub(running.channel).Check
    name = "holdfast.chunk.v1.ChunkEngineService"
    assert check(health_pb2.HealthCheckRequest(service=name)).status == health_pb2.HealthCheckResponse.SERVING
    found = running.client.GetCapabilities(service.GetCapabilitiesRequest())
    assert (found.interface_version, found.engine_kind, found.layers, found.vocabulary_size) == (1, "torch", 3, 128)
    assert found.kv_bytes_per_token == 2 * 3 * 2 * 8 * 4
    assert found.non_prefix
    assert wire.SELECTOR_QUERY in found.selectors
    assert found.prefill_ms_per_token > 0
    assert len(found.fingerprint) == 64
    assert [tier.tier for tier in found.tiers] == [wire.TIER_MEMORY, wire.TIER_DISK]
    assert found.tiers[1].load_bytes_per_second > 0
    assert [tier.bytes_used for tier in found.tiers] == [0, 0]


def test_the_tokenizer_can_be_fetched_and_gives_the_ids_of_tokenize(running: Running) -> None:
    lists = running.client.Tokenize(service.TokenizeRequest(texts=["w5 w6", ""])).lists
    assert [list(item.token_ids) for item in lists] == [[5, 6], []]
    answer = running.client.GetTokenizer(service.GetTokenizerRequest())
    assert hashlib.sha256(answer.archive).digest() == answer.sha256
    assert "tokenizer.json" in zipfile.ZipFile(io.BytesIO(answer.archive)).namelist()


def test_an_answer_is_streamed_and_the_work_adds_up(running: Running) -> None:
    build(running, "v")
    tokens, result = execute(running, plan("v", fix=wire.Fix(selector=wire.SELECTOR_QUERY, token_count=7)))
    assert len(tokens) == 6
    assert result.output_tokens == 6
    assert not result.stopped
    assert sum(item.reused_tokens + item.recomputed_tokens for item in result.segments) == result.prompt_tokens == 70
    assert (result.segments[1].reused_tokens, result.segments[1].recomputed_tokens) == (33, 7)
    assert sum(item.end - item.start for item in result.segments[1].recomputed) == 7
    assert result.token_layer_work == 37 * 3
    assert result.segments[2].reused_tokens == 0
    assert result.timing.ttft_ms > 0


def test_reuse_behind_the_same_prefix_answers_as_a_full_recompute_does(running: Running) -> None:
    build(running, "v")
    full, _ = execute(running)
    reused, result = execute(running, plan("v"), shadow=service.SHADOW_MODE_FULL_LOGITS)
    assert reused == full
    assert result.shadow.kl_per_token == pytest.approx(0, abs=1e-6)
    assert result.shadow.same_top_share == 1
    assert result.shadow.token_count == 6


def test_a_shadow_run_sees_what_reuse_behind_another_prefix_costs(running: Running) -> None:
    build(running, "v", prefix=[3] * 50)
    _, result = execute(running, plan("v"), shadow=service.SHADOW_MODE_FULL_LOGITS)
    everything = wire.Fix(selector=wire.SELECTOR_PLAN, tokens=[wire.TokenRange(start=0, end=40)])
    _, repaired = execute(running, plan("v", fix=everything), shadow=service.SHADOW_MODE_FULL_LOGITS)
    assert result.shadow.kl_per_token > 1e-3
    assert repaired.shadow.kl_per_token == pytest.approx(0, abs=1e-6)


def test_forced_tokens_come_first_and_their_likelihood_is_told(running: Running) -> None:
    request = service.ExecuteRequest(
        request_id="r", token_ids=PROMPT, sampling=service.Sampling(max_tokens=3, forced_token_ids=[7, 8, 9])
    )
    answers = list(running.client.Execute(request))
    assert [answer.token.token_id for answer in answers[:-1]] == [7, 8, 9]
    assert answers[-1].result.forced_log_likelihood < 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"salt": "b"}, wire.MISS_REASON_SALT),
        ({"plan": plan("other")}, wire.MISS_REASON_ABSENT),
        ({"plan": plan("v", generation=9)}, wire.MISS_REASON_GENERATION),
        ({"plan": plan("v", token_digest=b"x" * 32)}, wire.MISS_REASON_TOKENS),
    ],
)
def test_what_cannot_be_used_is_computed_and_the_reason_is_told(
    running: Running, change: dict[str, object], reason: wire.MissReason.ValueType
) -> None:
    build(running, "v", prefix=[3] * 50)
    full, _ = execute(running)
    fields = {"plan": plan("v"), **change}
    tokens, result = execute(running, **fields)  # type: ignore[arg-type]
    assert tokens == full
    assert result.segments[1].miss_reason == reason
    assert result.segments[1].recomputed_tokens == 40


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_file_is_never_used(running: Running, tmp_path: Path, damage: str) -> None:
    build(running, "v", prefix=[3] * 50)
    running.engine.store.drop_from_memory("v")
    (file,) = (tmp_path / "kv").iterdir()
    data = bytearray(file.read_bytes())
    data[-9] ^= 1
    file.write_bytes(data if damage == "flip" else data[:-100])
    if damage == "gone":
        file.unlink()
    full, _ = execute(running)
    tokens, result = execute(running, plan("v"))
    assert tokens == full
    assert result.segments[1].miss_reason == wire.MISS_REASON_CORRUPT
    assert running.client.GetStats(service.GetStatsRequest()).corrupt == 1
    assert list((tmp_path / "kv").iterdir()) == []


def test_masses_of_a_build_go_to_the_chunks_before_it_and_not_to_other_text(running: Running) -> None:
    parts = {"": SYSTEM, "a": [1] * 8, " ": [2] * 3, "b": [3] * 8}
    item = service.BuildItem(
        variant=wire.VariantSpec(variant_id="v", chunk_id="c"),
        prefix=[service.BuildPart(chunk_id=name.strip(), token_ids=tokens) for name, tokens in parts.items()],
        token_ids=CHUNK,
    )
    request = service.BuildRequest(op_id=next(OPERATIONS), items=[item], with_stats=True)
    stored = running.client.Build(request).variants[0]
    assert list(stored.spec.prefix_chunk_ids) == ["a", "b"]
    assert len(stored.stats.inter) == 2
    assert 0 < sum(stored.stats.inter) + stored.stats.intra < len(CHUNK)


def test_a_capture_stores_what_the_next_request_reuses(running: Running) -> None:
    computed = plan("")
    computed.segments[1].compute.SetInParent()
    computed.captures.add(
        segment_id=1,
        variant=wire.VariantSpec(variant_id="v", chunk_id="c", salt="a", prefix_chunk_ids=[]),
        only_if_canonical=True,
    )
    full, first = execute(running, computed)
    assert [item.spec.variant_id for item in first.captured] == ["v"]
    assert first.captured[0].canonical
    reused, second = execute(running, plan("v", generation=1))
    assert second.reused_tokens == 40
    assert reused == full


def test_what_was_reused_is_not_captured_as_canonical(running: Running) -> None:
    build(running, "v", prefix=[3] * 50)
    reusing = plan("v")
    spec = wire.VariantSpec(variant_id="w", chunk_id="c", salt="a")
    reusing.captures.add(segment_id=1, variant=spec, only_if_canonical=True)
    _, result = execute(running, reusing)
    assert list(result.captured) == []


def test_statistics_of_a_request_tell_where_attention_went(running: Running) -> None:
    _, result = execute(running, None, stats=[wire.STAT_KIND_INTER])
    assert len(result.stats) == 1
    computed = plan("")
    computed.segments[1].compute.SetInParent()
    _, result = execute(running, computed, stats=[wire.STAT_KIND_INTER, wire.STAT_KIND_QUERY_ATTENTION])
    chunk = result.stats[1]
    assert sum(chunk.inter) + chunk.intra == pytest.approx(40, rel=1e-3)
    assert len(chunk.query_attention) == 3
    assert len(chunk.token_inter_ranks) == 40


def test_an_operation_sent_twice_has_one_effect(running: Running) -> None:
    item = service.BuildItem(variant=wire.VariantSpec(variant_id="v", chunk_id="c"), token_ids=CHUNK)
    request = service.BuildRequest(op_id="once", items=[item])
    first, second = running.client.Build(request), running.client.Build(request)
    assert first.variants[0].generation == second.variants[0].generation == 1
    request.items[0].token_ids.append(1)
    with pytest.raises(grpc.RpcError) as caught:
        running.client.Build(request)
    assert reason_of(caught.value) == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    ("request_fields", "reason"),
    [
        ({"token_ids": []}, "PROMPT_EMPTY"),
        ({"token_ids": [128]}, "TOKEN_OUT_OF_VOCABULARY"),
        ({"token_ids": [1] * 510}, "PROMPT_TOO_LONG"),
        ({"epoch": "gone"}, "EPOCH_STALE"),
        ({"fingerprint": "other"}, "ENGINE_CAPABILITY_MISSING"),
        ({"sampling": service.Sampling()}, "FIELD_INVALID"),
        ({"plan": wire.Plan(segments=[wire.Segment(range=wire.TokenRange(end=3))])}, "FIELD_INVALID"),
    ],
)
def test_a_request_that_cannot_be_run_is_refused_with_a_reason(
    running: Running, request_fields: dict[str, object], reason: str
) -> None:
    fields = {"token_ids": PROMPT, "sampling": service.Sampling(max_tokens=6), **request_fields}
    with pytest.raises(grpc.RpcError) as caught:
        list(running.client.Execute(service.ExecuteRequest(request_id="r", **fields)))  # type: ignore[arg-type]
    assert reason_of(caught.value) == reason


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


def until(holds: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
