"""What must be equal on a small random model in float32, where nothing but arithmetic can differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from holdfast_chunks.errors import ChunkEngineError, Reason
from holdfast_chunks.kv.files import KvFolder
from holdfast_chunks.kv.store import Miss, VariantStore
from holdfast_chunks.kv.variant import SpanKv, Variant
from holdfast_chunks.model.config import ModelConfig
from holdfast_chunks.model.llama import Llama
from holdfast_chunks.model.rope import Rope
from holdfast_chunks.model.weights import LayerWeights, Weights
from holdfast_chunks.run.executor import Executor
from holdfast_chunks.run.plan import Fix, Plan, Segment, Selector, Work

SYSTEM, CHUNK, QUESTION = list(range(5, 25)), list(range(40, 80)), list(range(90, 100))
PROMPT = SYSTEM + CHUNK + QUESTION
CONFIG = ModelConfig("tiny", 3, 48, 6, 2, 8, 1e-5, 1e4, 128, 512, True, (0,))


def tiny_llama() -> Llama:
    made = torch.Generator().manual_seed(7)

    def matrix(rows: int, columns: int) -> torch.Tensor:
        return torch.randn((rows, columns), generator=made).mul(columns**-0.5)

    def layer() -> LayerWeights:
        qkv = matrix(CONFIG.head_dim * (CONFIG.heads + 2 * CONFIG.kv_heads), CONFIG.hidden)
        ones = torch.ones(CONFIG.hidden)
        return LayerWeights(ones, qkv, matrix(48, 48), ones, matrix(192, 48), matrix(48, 96))

    embedding = torch.randn((CONFIG.vocabulary, CONFIG.hidden), generator=made)
    weights = Weights(embedding, tuple(layer() for _ in range(CONFIG.layers)), torch.ones(48), embedding, "tiny")
    cpu = torch.device("cpu")
    rope = Rope(head_dim=CONFIG.head_dim, theta=CONFIG.rope_theta, max_positions=CONFIG.max_positions, device=cpu)
    return Llama(CONFIG, weights, rope, torch.float32, cpu)


def variant(name: str, salt: str = "a") -> Variant:
    return Variant(name, 0, "chunk", (), salt, "", "", b"", 0, 0, b"", is_canonical=True, byte_count=0)


@pytest.fixture
def store(tmp_path: Path) -> VariantStore:
    return VariantStore(KvFolder(tmp_path / "kv", fingerprint="tiny"), memory_bytes=1 << 30, disk_bytes=1 << 30)


@pytest.fixture
def executor(store: VariantStore) -> Executor:
    return Executor(tiny_llama(), store)


def segments(chunk: Segment) -> Plan:
    return Plan((Segment(0, 0, 20, Work.COMPUTE), chunk, Segment(2, 60, 70, Work.COMPUTE)))


REUSE = Segment(1, 20, 60, Work.REUSE, variant_id="v")
FULL = Plan((Segment(0, 0, 70, Work.COMPUTE),))


def logits(executor: Executor, plan: Plan, salt: str = "a") -> torch.Tensor:
    return executor.model.logits(executor.prefill(PROMPT, plan, salt=salt, room=0).hidden[-10:])


def distance(left: torch.Tensor, right: torch.Tensor) -> float:
    return float((left - right).abs().max())


def test_recomputing_every_token_over_wrong_kv_equals_full_prefill(executor: Executor) -> None:
    executor.build(variant("v"), [[3] * 50], CHUNK)
    everything = replace(REUSE, fix=Fix(Selector.PLAN, tokens=((0, 40),)))
    full = logits(executor, FULL)
    assert distance(logits(executor, segments(REUSE)), full) > 1e-2
    assert distance(logits(executor, segments(everything)), full) < 1e-3


def test_reuse_behind_the_same_prefix_equals_prefix_caching_exactly(executor: Executor) -> None:
    executor.build(variant("s"), [[]], SYSTEM)
    executor.build(variant("v"), [SYSTEM], CHUNK)
    end = Segment(2, 60, 70, Work.COMPUTE)
    prefix = Segment(0, 0, 20, Work.PREFIX, variant_id="s")
    cached = logits(executor, Plan((prefix, replace(REUSE, work=Work.PREFIX), end)))
    reused = logits(executor, Plan((prefix, REUSE, end)))
    assert torch.equal(cached, reused)
    assert distance(reused, logits(executor, FULL)) < 1e-4


def test_a_prefix_segment_behind_other_tokens_is_refused_and_computed(executor: Executor) -> None:
    executor.build(variant("v"), [SYSTEM[::-1]], CHUNK)
    executor.build(variant("s"), [[]], SYSTEM)
    prefix = Segment(0, 0, 20, Work.PREFIX, variant_id="s")
    plan = Plan((prefix, replace(REUSE, work=Work.PREFIX), Segment(2, 60, 70, Work.COMPUTE)))
    done = executor.prefill(PROMPT, plan, salt="a", room=0)
    assert done.work[1].miss is Miss.NOT_PREFIX
    assert len(done.work[1].recomputed) == 40


def test_stored_keys_are_not_rotated_and_rotation_to_a_new_position_equals_computing_there(executor: Executor) -> None:
    # Without anything before it, KV depends on the tokens alone.
    span, _ = executor.compute_span([], CHUNK)
    rope, here, there = executor.model.rope, torch.arange(40), torch.arange(300, 340)
    queries = executor.model.project(0, executor.model.embed(torch.tensor(CHUNK)))[1]
    assert torch.equal(span.keys[0], queries)
    products = rope.rotate(span.keys[0], here) @ rope.rotate(span.keys[0], here).transpose(1, 2)
    shifted = rope.rotate(span.keys[0], there) @ rope.rotate(span.keys[0], there).transpose(1, 2)
    assert distance(products, shifted) < 1e-3
    assert distance(rope.rotate(span.keys[0], here), rope.rotate(span.keys[0], there)) > 1e-2


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_file_is_detected_thrown_away_and_recomputed(
    executor: Executor, store: VariantStore, tmp_path: Path, damage: str
) -> None:
    executor.build(variant("v"), [[3] * 50], CHUNK)
    store.drop_from_memory("v")
    (file,) = (tmp_path / "kv").iterdir()
    data = bytearray(file.read_bytes())
    data[-9] ^= 1
    file.write_bytes(data if damage == "flip" else data[:-100])
    if damage == "gone":
        file.unlink()
    done = executor.prefill(PROMPT, segments(REUSE), salt="a", room=0)
    assert done.work[1].miss is Miss.CORRUPT
    assert distance(executor.model.logits(done.hidden[-10:]), logits(executor, FULL)) < 1e-4
    assert list((tmp_path / "kv").iterdir()) == []


def test_a_file_gives_back_the_kv_that_was_stored(executor: Executor, store: VariantStore) -> None:
    executor.build(variant("v"), [SYSTEM], CHUNK)
    before = logits(executor, segments(REUSE))
    store.drop_from_memory("v")
    assert torch.equal(logits(executor, segments(REUSE)), before)


def test_no_variant_crosses_a_salt(executor: Executor) -> None:
    executor.build(variant("v", salt="a"), [SYSTEM], CHUNK)
    assert executor.prefill(PROMPT, segments(REUSE), salt="b", room=0).work[1].miss is Miss.SALT
    with pytest.raises(ChunkEngineError) as caught:
        executor.prefill(PROMPT, segments(replace(REUSE, fails_on_miss=True)), salt="b", room=0)
    assert caught.value.reason is Reason.KV_NOT_RESIDENT


def test_reconcile_leaves_no_orphan_and_names_what_is_missing(
    executor: Executor, store: VariantStore, tmp_path: Path
) -> None:
    executor.build(variant("v"), [SYSTEM], CHUNK)
    executor.build(variant("w"), [SYSTEM], CHUNK)
    (tmp_path / "kv" / "left-over.new").write_bytes(b"x")
    assert store.reconcile([("v", 1), ("x", 1)]) == (["x"], ["w"], 1)
    assert len(list((tmp_path / "kv").iterdir())) == 1


@pytest.mark.parametrize("selector", [item for item in Selector if item is not Selector.PLAN])
def test_every_selector_recomputes_as_many_tokens_as_asked(executor: Executor, selector: Selector) -> None:
    executor.build(variant("v"), [[3] * 50], CHUNK)
    fixed = replace(REUSE, fix=Fix(selector, token_count=13))
    assert len(executor.prefill(PROMPT, segments(fixed), salt="a", room=0).work[1].recomputed) == 13


def test_the_mean_over_contexts_is_the_mean_of_the_spans(executor: Executor, store: VariantStore) -> None:
    stored = executor.build(variant("v"), [SYSTEM, [3] * 50], CHUNK)
    spans: list[SpanKv] = [executor.compute_span(SYSTEM, CHUNK)[0], executor.compute_span([3] * 50, CHUNK)[0]]
    found = store.load("v", generation=1, salt="a", digest=stored.token_digest)
    assert not isinstance(found, Miss)
    assert distance(found.span.keys, (spans[0].keys + spans[1].keys) / 2) < 1e-6
    assert not stored.is_canonical


def test_what_a_request_captures_equals_a_build_behind_the_same_tokens(executor: Executor, store: VariantStore) -> None:
    parts = Plan((Segment(0, 0, 20, Work.COMPUTE), Segment(1, 20, 60, Work.COMPUTE), Segment(2, 60, 70, Work.COMPUTE)))
    done = executor.prefill(PROMPT, parts, salt="a", room=0, captures=[1])
    captured = executor.capture(done, 1, variant("v"), PROMPT)
    built = executor.build(variant("w"), [SYSTEM], CHUNK, blocks=[(0, 20)])
    found = [
        store.load(item.variant_id, generation=item.generation, salt="a", digest=built.token_digest)
        for item in (captured, built)
    ]
    spans = [item.span for item in found if not isinstance(item, Miss)]
    assert distance(spans[0].keys, spans[1].keys) < 1e-5
    assert captured.prefix_digest == built.prefix_digest
    assert captured.is_canonical
    assert done.masses[1].intra == pytest.approx(built.stats.intra, abs=1e-4)


def test_masses_of_a_segment_sum_to_one_a_token(executor: Executor) -> None:
    done = executor.prefill(
        PROMPT, segments(replace(REUSE, work=Work.COMPUTE, variant_id="")), salt="a", room=0, captures=[0, 1, 2]
    )
    for at, length in enumerate((20, 40, 10)):
        assert sum(done.masses[at].inter) + done.masses[at].intra == pytest.approx(length, rel=1e-4)
    # The first segment draws attention whatever it says and does not count.
    assert sum(done.masses[1].token_inter) == 0
    assert sum(done.masses[2].token_inter) == pytest.approx(done.masses[2].inter[1], rel=1e-4)


def test_a_capture_behind_reused_kv_is_not_canonical_and_never_serves_as_a_prefix(
    executor: Executor,
) -> None:
    executor.build(variant("v"), [[3] * 50], CHUNK)
    done = executor.prefill(PROMPT, segments(REUSE), salt="a", room=0, captures=[0, 1, 2])
    stored = [executor.capture(done, at, variant(f"c{at}"), PROMPT) for at in range(3)]
    assert [item.is_canonical for item in stored] == [True, False, False]
    assert [bool(item.prefix_digest) for item in stored] == [True, False, False]
