"""Pins on a real engine of 63 blocks. A prompt of 330 tokens has 10 full blocks."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from holdfast_vllm._generated import kv_control_service_pb2 as kv
from tests.engine.harness import Engine, Watch, pin_hint, prompt_of

pytestmark = pytest.mark.engine

PROMPT = 330
FULL_BLOCKS = 10


def fill(engine: Engine, seed: int) -> None:
    """Run foreign prompts that together need more than the pool."""
    for index in range(4):
        engine.generate(prompt_of(seed + index, 700))


def reason_of(error: grpc.RpcError) -> str:
    """The ErrorInfo reason of a failed call."""
    trailers = {item.key: item.value for item in error.trailing_metadata()}
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "holdfast"
    return str(info.reason)


def test_a_pinned_prefix_survives_foreign_prompts_and_an_unpinned_one_does_not(engine: Engine) -> None:
    pinned, unpinned = prompt_of(1, PROMPT), prompt_of(2, PROMPT)
    engine.generate(unpinned, hints={"program": "unpinned"})
    first = engine.generate(pinned, hints={"program": "pinned", "pin": pin_hint()})
    assert (first.holdfast["pinnedBlocks"], first.holdfast["pinnedTokens"]) == (FULL_BLOCKS, FULL_BLOCKS * 32)
    assert 0 < first.holdfast["expiresInMs"] <= 60_000
    assert first.holdfast["epoch"] == engine.stats().epoch
    fill(engine, 100)
    again = engine.generate([*unpinned, *first.output_ids], hints={"program": "unpinned"})
    next_turn = engine.generate([*pinned, *first.output_ids, *prompt_of(3, 40)], hints={"program": "pinned"})
    assert again.cached_tokens == 0
    assert next_turn.cached_tokens == FULL_BLOCKS * 32
    assert next_turn.holdfast["pinnedBlocks"] == 0
    assert engine.pins() == {}


def test_an_idle_engine_ends_a_pin_on_time_in_all_figures(engine: Engine, watch: Watch) -> None:
    engine.generate(prompt_of(4, PROMPT), hints={"program": "a", "pin": pin_hint(ttl_ms=3_000)})
    held = engine.stats()
    assert (held.pins, held.pinned_blocks) == (1, FULL_BLOCKS)
    assert 0 < engine.pins()["a"].expires_in_ms <= 3_000
    watch.wait_for("expired a", 10)
    after = engine.stats()
    assert (after.pins, after.pinned_blocks, after.active_blocks) == (0, 0, 0)
    assert after.evictable_blocks >= FULL_BLOCKS
    fill(engine, 110)
    assert engine.generate(prompt_of(4, PROMPT)).cached_tokens == 0


def test_a_pin_can_be_set_renewed_and_released_after_the_turn(engine: Engine, watch: Watch) -> None:
    engine.generate(prompt_of(5, PROMPT), hints={"program": "a"})
    epoch = engine.stats().epoch
    pin = engine.kv.Pin(kv.PinRequest(program_id="a", epoch=epoch, ttl_ms=5_000, value=2.5)).pin
    assert (pin.pinned_blocks, pin.pinned_tokens, pin.soft, pin.value) == (FULL_BLOCKS, FULL_BLOCKS * 32, False, 2.5)
    renewed = engine.kv.Renew(kv.RenewRequest(program_id="a", ttl_ms=90_000)).pin
    assert (renewed.value, renewed.expires_in_ms > 80_000) == (2.5, True)
    assert engine.kv.Renew(kv.RenewRequest(program_id="a", ttl_ms=90_000, value=7)).pin.value == 7
    assert list(engine.pins()) == ["a"]
    assert engine.kv.Release(kv.ReleaseRequest(program_id="a")).released is True
    assert engine.kv.Release(kv.ReleaseRequest(program_id="a")).released is False
    watch.wait_for("released a")
    assert watch.changes() == ["set a", "renewed a", "renewed a", "released a"]
    first = watch.sequences()[0]
    assert watch.sequences() == list(range(first, first + 4))


def test_refusals_name_their_reason(engine: Engine) -> None:
    engine.generate(prompt_of(6, PROMPT), hints={"program": "a"})
    calls = {
        "EPOCH_STALE": lambda: engine.kv.Pin(kv.PinRequest(program_id="a", epoch="old", ttl_ms=1_000)),
        "PIN_NOT_FOUND": lambda: engine.kv.Renew(kv.RenewRequest(program_id="nobody", ttl_ms=1_000)),
        "KV_NOT_RESIDENT": lambda: engine.kv.Pin(kv.PinRequest(program_id="nobody", ttl_ms=1_000)),
        "FIELD_INVALID": lambda: engine.kv.Pin(kv.PinRequest(program_id="a")),
    }
    for reason, call in calls.items():
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert reason_of(caught.value) == reason
    assert engine.pins() == {}


def test_watch_streams_stats_whose_parts_make_the_pool(engine: Engine) -> None:
    watch = Watch(engine, stats_interval_ms=20)
    engine.generate(prompt_of(7, PROMPT), max_tokens=20, hints={"program": "a", "pin": pin_hint(soft=True)})
    engine.generate(prompt_of(8, PROMPT), max_tokens=20, hints={"program": "b", "pin": pin_hint()})
    seen = len(watch.stats)
    watch.wait_until(lambda: len(watch.stats) > seen + 3, "more stats")
    # Stats that were on their way are older than the answer.
    watch.wait_until(lambda: watch.stats[-1].pins == 2, "both pins")
    watch.close()
    assert any(stats.active_blocks > 0 and stats.running_requests == 1 for stats in watch.stats)
    last = watch.stats[-1]
    assert (last.pins, last.pinned_blocks) == (2, FULL_BLOCKS)
    for stats in watch.stats:
        parts = stats.free_blocks + stats.evictable_blocks + stats.pinned_blocks + stats.active_blocks
        assert parts == stats.total_blocks == 63


def test_a_cancelled_request_frees_its_blocks_and_pins_nothing(engine: Engine) -> None:
    hints = {"program": "a", "pin": pin_hint()}
    call = engine.vllm.Generate(engine.request(prompt_of(9, PROMPT), max_tokens=600, hints=hints))
    next(iter(call))
    assert engine.stats().active_blocks >= FULL_BLOCKS
    call.cancel()
    watch = Watch(engine, stats_interval_ms=20)
    watch.wait_until(lambda: watch.stats[-1].active_blocks == 0, "free blocks")
    watch.close()
    assert engine.pins() == {}


def test_a_turn_that_ends_with_a_stop_string_is_pinned_though_its_answer_cannot_say_so(
    engine: Engine, watch: Watch
) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer.from_str(engine.tokenizer_json())
    prompt = tokenizer.encode("The capital of France is Paris. The capital of Italy is Rome. " * 30).ids
    plain = engine.generate(prompt, max_tokens=24)
    text = tokenizer.decode(plain.output_ids)
    stop = text[len(text) // 2 : len(text) // 2 + 6]
    turn = engine.generate(prompt, max_tokens=24, stop=[stop], hints={"program": "a", "pin": pin_hint()})
    assert (turn.finish_reason, turn.holdfast) == ("stop", {})
    watch.wait_for("set a")
    assert engine.pins()["a"].pinned_blocks >= len(prompt) // 32


def test_a_turn_that_ends_with_a_stop_token_says_what_it_pinned(engine: Engine) -> None:
    plain = engine.generate(prompt_of(10, PROMPT), max_tokens=4)
    stops = [plain.output_ids[-1]]
    hints = {"program": "a", "pin": pin_hint()}
    turn = engine.generate(prompt_of(10, PROMPT), max_tokens=50, stop_token_ids=stops, hints=hints)
    assert (turn.finish_reason, turn.holdfast["pinnedBlocks"]) == ("stop", FULL_BLOCKS)


def test_malformed_hints_change_nothing(engine: Engine) -> None:
    plain = engine.generate(prompt_of(11, 100), max_tokens=8)
    for hints in ({"program": 7}, {"program": "a", "pin": {"ttlMs": -5}, "rank": "high", "bid": None}, {}):
        assert engine.generate(prompt_of(11, 100), max_tokens=8, hints=hints).output_ids == plain.output_ids
    assert engine.pins() == {}
