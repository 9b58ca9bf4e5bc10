"""Requests and their plans over the wire."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from holdfast_chunks._generated import chunk_engine_service_pb2 as service
from holdfast_chunks._generated import chunk_pb2 as wire
from tests.served import CHUNK, OPERATIONS, PROMPT, SYSTEM, Running, build, execute, plan, reason_of


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
