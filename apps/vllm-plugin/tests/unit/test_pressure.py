from __future__ import annotations

import math

from tests.unit.bench import Bench, hard, soft
from tests.unit.fake_store import keys_of


def full_bench() -> Bench:
    """Three programs hold 9 of 10 blocks."""
    bench = Bench()
    bench.turn("cheap", 3, hard(1))
    bench.turn("dear", 3, hard(math.inf))
    bench.turn("middle", 3, hard(5))
    bench.events.clear()
    return bench


def test_growth_takes_the_pin_of_lowest_value_first() -> None:
    bench = full_bench()
    assert bench.grow(4)
    assert bench.changes == ["revoked cheap growth", "revoked middle growth"]


def test_growth_takes_every_pin_before_it_fails() -> None:
    bench = full_bench()
    assert bench.grow(9)
    assert not bench.grow(1)
    assert bench.changes == ["revoked cheap growth", "revoked middle growth", "revoked dear growth"]


def test_pins_of_one_value_give_way_latest_expiry_first() -> None:
    bench = Bench()
    bench.turn("soon", 2, hard(ttl_ms=1_000))
    bench.turn("late", 2, hard(ttl_ms=9_000))
    bench.turn("next", 2, hard(ttl_ms=5_000))
    bench.events.clear()
    assert bench.grow(4)
    assert bench.changes == ["revoked late growth", "revoked next growth"]


def test_a_waiting_turn_takes_only_pins_below_its_bid() -> None:
    bench = full_bench()
    assert not bench.admit(4, bid=1)
    assert not bench.admit(7, bid=5)
    assert bench.changes == []
    assert bench.admit(7, bid=5.1)
    assert bench.changes == ["revoked cheap outbid", "revoked middle outbid"]


def test_a_waiting_turn_takes_nothing_unless_it_then_fits() -> None:
    bench = full_bench()
    assert not bench.admit(8, bid=6)
    assert bench.changes == []


def test_no_bid_exceeds_an_infinite_value() -> None:
    bench = full_bench()
    assert not bench.admit(10, bid=math.inf)


def test_when_nothing_runs_pins_go_lowest_value_first_until_the_head_fits() -> None:
    bench = full_bench()
    assert bench.admit(5, bid=2, nothing_runs=True)
    assert bench.changes == ["revoked cheap outbid", "revoked middle stall"]


def test_a_turn_that_fits_after_its_own_pin_takes_no_other() -> None:
    bench = full_bench()
    assert bench.admit(4, program_id="middle")
    assert bench.changes == ["hit middle"]


def test_blocks_that_the_turn_hits_gain_nothing() -> None:
    bench = full_bench()
    hits = frozenset(bench.store.resident_prefix(keys_of("dear", 2)))
    # Of its own pin one block becomes free, beside the one that is: two are lacking.
    assert not bench.admit(4, program_id="dear", hits=hits)
    assert bench.changes == []
    assert bench.admit(4, program_id="dear", hits=hits, bid=2)
    assert bench.changes == ["hit dear", "revoked cheap outbid"]


def test_soft_pins_give_way_to_anyone_before_hard_ones() -> None:
    bench = Bench()
    bench.turn("hard", 4, hard(0))
    bench.turn("soft", 4, soft())
    bench.events.clear()
    assert bench.admit(4)
    assert [view.blocks for view in bench.ledger.pins()] == [4, 2]
    assert bench.admit(6)
    assert bench.changes == ["revoked soft outbid"]


def test_soft_pins_lose_their_last_blocks_first() -> None:
    bench = Bench()
    bench.turn("dear", 4, soft(9))
    bench.turn("cheap", 4, soft(1))
    bench.events.clear()
    assert bench.grow(5)
    assert bench.changes == ["revoked cheap growth"]
    assert [(view.program_id, view.blocks) for view in bench.ledger.pins()] == [("dear", 3)]


def test_unpinned_blocks_are_evicted_before_soft_pinned_ones() -> None:
    bench = Bench()
    bench.turn("soft", 4, soft())
    bench.turn("unpinned", 4)
    bench.store.allocate(keys_of("other", 6))
    assert len(bench.store.resident_prefix(keys_of("soft", 4))) == 4
    assert bench.store.resident_prefix(keys_of("unpinned", 4)) == []


def test_a_pin_over_blocks_in_use_holds_nothing_back_and_stays() -> None:
    bench = Bench()
    keys = keys_of("a", 4)
    held = bench.store.allocate(keys)
    bench.ledger.finish_turn("a", keys, held, pin=hard(1), is_last=False)
    bench.turn("b", 4, hard(2))
    bench.events.clear()
    assert bench.grow(3)
    assert bench.changes == ["revoked b growth"]
    bench.ledger.pin("b", hard(2))
    bench.events.clear()
    assert bench.admit(3, bid=3)
    assert bench.changes == ["revoked b outbid"]


def test_pins_over_shared_blocks_free_them_when_the_last_goes() -> None:
    bench = Bench()
    keys = keys_of("shared", 4)
    held = bench.store.allocate(keys)
    for program_id, value in (("a", 1), ("b", 2)):
        bench.ledger.finish_turn(program_id, keys, held, pin=hard(value), is_last=False)
    bench.store.give_back(held)
    assert bench.counts == (2, 4, 0)
    bench.events.clear()
    assert not bench.admit(10, bid=2)
    assert bench.changes == []
    assert bench.admit(10, bid=3)
    assert bench.changes == ["revoked a outbid", "revoked b outbid"]
    assert bench.store.free_blocks == 10


def test_soft_pins_over_blocks_in_use_or_wanted_stay() -> None:
    bench = Bench(total_blocks=12)
    used, wanted = keys_of("used", 3), keys_of("wanted", 3)
    held = bench.store.allocate(used)
    bench.ledger.finish_turn("used", used, held, pin=soft(0), is_last=False)
    bench.turn("wanted", 3, soft(1))
    bench.turn("spare", 3, soft(2))
    # 3 blocks are free; the request hits those of "wanted" and needs 5 more.
    assert bench.admit(5, hits=frozenset(bench.store.resident_prefix(wanted)))
    assert {view.program_id: view.blocks for view in bench.ledger.pins()} == {"used": 3, "wanted": 3, "spare": 1}


def test_soft_pins_over_shared_blocks_give_as_many_as_are_needed() -> None:
    bench = Bench()
    keys = keys_of("shared", 4)
    held = bench.store.allocate(keys)
    for program_id, value in (("a", 1), ("b", 2)):
        bench.ledger.finish_turn(program_id, keys, held, pin=soft(value), is_last=False)
    bench.store.give_back(held)
    assert bench.admit(8)
    assert bench.store.free_blocks >= 8
