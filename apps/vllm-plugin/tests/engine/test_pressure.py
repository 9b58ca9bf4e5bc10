"""The rule of pressure on a real engine of 63 blocks. A prompt of 330 tokens takes 11 blocks, 10 of them full."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.engine.harness import Engine, Watch, pin_hint, prompt_of, together

pytestmark = pytest.mark.engine

PROMPT = 330


def pin_programs(engine: Engine, values: dict[str, Any], *, soft: bool = False, tokens: int = PROMPT) -> None:
    """Hold the full blocks of a prompt for each program."""
    for index, (program_id, value) in enumerate(values.items()):
        hints = {"program": program_id, "pin": pin_hint(value=value, soft=soft)}
        turn = engine.generate(prompt_of(1_000 + index, tokens), hints=hints)
        assert turn.holdfast["pinnedBlocks"] == tokens // 32


def test_at_a_stall_the_pins_of_lowest_value_go(engine: Engine, watch: Watch) -> None:
    pin_programs(engine, {"p1": 5, "p2": "inf", "p3": 1, "p4": "inf", "p5": 3})
    # 50 blocks are pinned and 13 are not; the prompt needs 29.
    turn = engine.generate(prompt_of(2_000, 900), hints={"program": "big"})
    assert turn.finish_reason == "length"
    assert watch.matching("revoked", 2) == ["revoked p3 stall", "revoked p5 stall"]
    assert sorted(engine.pins()) == ["p1", "p2", "p4"]


def test_six_infinite_pins_do_not_stop_a_prompt_that_needs_their_room(engine: Engine, watch: Watch) -> None:
    pin_programs(engine, dict.fromkeys(["p1", "p2", "p3", "p4", "p5", "p6"], "inf"), tokens=300)
    assert engine.stats().pinned_blocks == 54
    # It needs 32 blocks, and 9 are left. Of equal pins those of latest expiry go.
    assert engine.generate(prompt_of(2_001, 1_000)).finish_reason == "length"
    assert watch.matching("revoked", 3) == ["revoked p6 stall", "revoked p5 stall", "revoked p4 stall"]


def test_growth_takes_a_pin_before_it_preempts(engine: Engine, watch: Watch) -> None:
    pin_programs(engine, {"kept": "inf", "cheap": 1})
    before = engine.stats().preemptions
    # 43 blocks are not pinned. Three requests start with 33 and end with 48.
    calls = [{"prompt": prompt_of(2_010 + index, PROMPT), "max_tokens": 170} for index in range(3)]
    assert [turn.finish_reason for turn in together(engine, calls)] == ["length"] * 3
    assert engine.stats().preemptions == before
    assert watch.matching("revoked", 1) == ["revoked cheap growth"]
    assert list(engine.pins()) == ["kept"]


def test_preemption_pins_nothing(engine: Engine, watch: Watch) -> None:
    before = engine.stats().preemptions
    programs = ["p1", "p2", "p3", "p4", "p5"]
    # Five requests start with 55 blocks and want 70.
    calls = [
        {
            "prompt": prompt_of(2_020 + index, PROMPT),
            "max_tokens": 110,
            "hints": {"program": program_id, "rank": index, "pin": pin_hint(ttl_ms=600_000, value=1)},
        }
        for index, program_id in enumerate(programs)
    ]
    turns = together(engine, calls)
    assert engine.stats().preemptions > before
    assert all(len(turn.output_ids) == 110 for turn in turns)
    # Each pin was set once, at the end of its turn, and p5 of the largest rank was the one that had to wait.
    sets = watch.matching("set ", 5)
    assert sorted(sets) == [f"set {program_id}" for program_id in programs]
    assert sets[-1] == "set p5"


def test_a_waiting_turn_takes_a_pin_only_with_a_higher_bid(engine: Engine, watch: Watch) -> None:
    pin_programs(engine, {"p1": 5, "p2": 5, "p3": 5, "p4": 5})
    with ThreadPoolExecutor(3) as pool:
        # 23 blocks are left. The running request takes 11 of them and more; the other one needs 19.
        running = pool.submit(engine.generate, prompt_of(2_030, PROMPT), max_tokens=150)
        started = Watch(engine, stats_interval_ms=20)
        started.wait_until(lambda: started.stats[-1].running_requests == 1, "a running request")
        modest = pool.submit(engine.generate, prompt_of(2_031, 600), hints={"program": "modest", "bid": 5})
        started.wait_until(lambda: started.stats[-1].waiting_requests == 1, "a waiting request")
        assert modest.result().finish_reason == "length"
        assert running.done(), "the modest turn had to wait for the running one"
        assert watch.matching("revoked", 0) == []
        started.wait_until(lambda: started.stats[-1].running_requests == 0, "an idle engine")
        running = pool.submit(engine.generate, prompt_of(2_032, PROMPT), max_tokens=150)
        started.wait_until(lambda: started.stats[-1].running_requests == 1, "a running request")
        assert engine.generate(prompt_of(2_033, 600), hints={"program": "bold", "bid": 5.5}).finish_reason == "length"
        assert not running.done(), "the bold turn did not have to wait"
        running.result()
        started.close()
    revoked = watch.matching("revoked", 1)
    assert len(revoked) == 1
    assert revoked[0].endswith("outbid")


def test_soft_pins_outlive_unpinned_blocks_and_take_no_capacity(engine: Engine, watch: Watch) -> None:
    pin_programs(engine, {"p1": 1, "p2": 2}, soft=True)
    stats = engine.stats()
    assert (stats.pins, stats.pinned_blocks) == (2, 0)
    for index in range(5):
        engine.generate(prompt_of(2_040 + index, 640))
    assert engine.generate(prompt_of(1_001, PROMPT), hints={"program": "other"}).cached_tokens == 320
    # 43 blocks are not pinned, and two requests of 26 run at once: p1 gives 9 of its 10.
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(engine.generate, prompt_of(2_050, 800), max_tokens=30)
        running = Watch(engine, stats_interval_ms=20)
        running.wait_until(lambda: running.stats[-1].running_requests == 1, "a running request")
        assert engine.generate(prompt_of(2_051, 800), max_tokens=30).finish_reason == "length"
        assert first.result().finish_reason == "length"
        running.close()
    assert watch.matching("revoked", 0) == []
    assert {program_id: pin.pinned_blocks for program_id, pin in engine.pins().items()} == {"p1": 1, "p2": 10}


def test_a_thousand_short_turns_leak_no_block(engine: Engine) -> None:
    def turn(index: int) -> None:
        program_id = f"short-{index % 40}"
        pin = [None, pin_hint(50), pin_hint(5_000, value=index % 7), pin_hint(5_000, soft=True)][index % 4]
        hints = {"program": program_id, "bid": index % 5, "rank": index % 3, "last": index % 11 == 0}
        engine.generate(prompt_of(3_000 + index % 90, 40), hints=hints if pin is None else {**hints, "pin": pin})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(turn, range(1_000)))
    engine.release_all()
    stats = engine.stats()
    assert (stats.active_blocks, stats.pinned_blocks, stats.pins, stats.running_requests) == (0, 0, 0, 0)
    assert stats.free_blocks + stats.evictable_blocks == stats.total_blocks == 63
    # Every block can be had: the largest prompt there is fits twice in turn.
    for seed in (2_060, 2_061):
        assert engine.generate(prompt_of(seed, 1_000)).finish_reason == "length"
