from __future__ import annotations

import math

import pytest

from holdfast_vllm.errors import HoldfastError, Reason
from holdfast_vllm.pins.history import ProgramHistory
from holdfast_vllm.pins.pin import LONGEST_TTL_MS, PinTerms
from tests.unit.bench import Bench, hard, soft
from tests.unit.fake_store import keys_of


def test_a_pin_holds_all_full_blocks_of_the_finished_turn() -> None:
    bench = Bench()
    view = bench.turn("a", 3, hard(2.5))
    assert view is not None
    assert (view.blocks, view.tokens, view.expires_in_ms, view.soft, view.value) == (3, 12, 10_000, False, 2.5)
    assert bench.ledger.pins() == [view]
    assert bench.store.free_blocks == 7
    assert bench.changes == ["set a"]


def test_a_turn_without_a_pin_hint_holds_nothing() -> None:
    bench = Bench()
    assert bench.turn("a", 3) is None
    assert bench.store.free_blocks == 10


def test_the_last_turn_gives_up_the_pin_and_leaves_nothing_to_pin() -> None:
    bench = Bench()
    bench.turn("a", 2, hard())
    assert bench.turn("a", 3, hard(), is_last=True) is None
    assert bench.changes == ["set a", "released a"]
    with pytest.raises(HoldfastError) as caught:
        bench.ledger.pin("a", hard())
    assert caught.value.reason is Reason.KV_NOT_RESIDENT


def test_a_pin_ends_at_its_time_and_not_before() -> None:
    bench = Bench()
    bench.turn("a", 2, hard(ttl_ms=50))
    bench.now += 0.049
    assert [view.expires_in_ms for view in bench.ledger.pins()] == [1]
    bench.now += 0.001
    assert bench.ledger.pins() == []
    assert bench.store.free_blocks == 10
    assert bench.changes == ["set a", "expired a"]


def test_an_idle_engine_ends_a_pin_without_being_asked() -> None:
    bench = Bench()
    bench.turn("a", 2, hard(ttl_ms=20))
    bench.now += 0.02
    bench.ledger.wait_for_deadline(0)
    assert bench.changes == ["set a", "expired a"]


def test_a_renewed_pin_forgets_its_old_time() -> None:
    bench = Bench()
    bench.turn("a", 2, hard(1, ttl_ms=50))
    bench.now += 0.04
    renewed = bench.ledger.renew("a", ttl_ms=100, value=None)
    assert (renewed.expires_in_ms, renewed.value) == (100, 1)
    bench.now += 0.05
    assert bench.ledger.renew("a", ttl_ms=10, value=9).value == 9
    bench.now += 0.01
    assert bench.ledger.pins() == []
    with pytest.raises(HoldfastError) as caught:
        bench.ledger.renew("a", ttl_ms=10, value=None)
    assert caught.value.reason is Reason.PIN_NOT_FOUND
    assert bench.changes == ["set a", "renewed a", "renewed a", "expired a"]


def test_a_pin_can_be_set_later_over_what_is_still_resident() -> None:
    bench = Bench(total_blocks=6)
    bench.turn("a", 4)
    bench.turn("b", 3)  # Evicts the last block of a: 2 free ones and 1 of a.
    view = bench.ledger.pin("a", hard())
    assert view.blocks == 3
    assert bench.store.free_blocks == 3


def test_a_pin_of_a_program_replaces_the_one_it_has() -> None:
    bench = Bench()
    bench.turn("a", 3, hard(1))
    assert bench.ledger.pin("a", soft(5)).soft
    assert [(view.blocks, view.soft, view.value) for view in bench.ledger.pins()] == [(3, True, 5)]
    assert bench.counts == (1, 0, 3)


def test_a_released_pin_is_released_once() -> None:
    bench = Bench()
    bench.turn("a", 3, hard())
    assert bench.ledger.release("a") is True
    assert bench.ledger.release("a") is False
    assert bench.store.free_blocks == 10


def test_the_next_turn_takes_its_pin_over() -> None:
    bench = Bench()
    bench.turn("a", 3, hard())
    bench.ledger.take_over("a")
    bench.ledger.take_over("nobody")
    assert bench.changes == ["set a", "hit a"]
    assert bench.store.free_blocks == 10


def test_hard_pins_stay_below_their_cap() -> None:
    bench = Bench(max_pinned_fraction=0.5)
    assert bench.turn("a", 3, hard()) is not None
    assert bench.turn("b", 3, hard()) is None
    assert bench.changes == ["set a"]
    with pytest.raises(HoldfastError, match="hard pins may take 5 of 10 blocks") as caught:
        bench.ledger.pin("b", hard())
    assert caught.value.reason is Reason.PIN_CAP_REACHED
    assert bench.ledger.pin("b", soft()).blocks == 3
    assert bench.ledger.release("a")
    assert bench.ledger.pin("b", hard()).blocks == 3


def test_a_pin_may_replace_itself_at_the_cap() -> None:
    bench = Bench(max_pinned_fraction=0.5)
    bench.turn("a", 5, hard(1))
    assert bench.ledger.pin("a", hard(2)).value == 2


def test_dropping_the_cache_drops_pins_and_programs() -> None:
    bench = Bench()
    bench.turn("a", 3, hard())
    bench.turn("b", 3, soft())
    bench.ledger.drop_all()
    assert bench.store.free_blocks == 10
    assert bench.changes[2:] == ["revoked a reset", "revoked b reset"]
    with pytest.raises(HoldfastError):
        bench.ledger.pin("a", hard())


def test_old_programs_are_forgotten() -> None:
    bench = Bench(total_blocks=4)
    for index in range(20):
        bench.turn(f"p{index}", 1)
    with pytest.raises(HoldfastError):
        bench.ledger.pin("p0", hard())
    assert bench.ledger.pin("p19", hard()).blocks == 1


@pytest.mark.parametrize("ttl_ms", [0, -1, LONGEST_TTL_MS + 1])
def test_a_lifetime_out_of_range_is_refused(ttl_ms: int) -> None:
    with pytest.raises(ValueError, match=f"ttl_ms is {ttl_ms}; allowed: 1 to 4294967295"):
        PinTerms(ttl_ms=ttl_ms)


def test_a_value_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="value is NaN"):
        PinTerms(ttl_ms=1, value=math.nan)


def test_programs_without_a_full_block_are_bounded_too() -> None:
    history = ProgramHistory(max_keys=5)
    for index in range(100):
        history.remember(f"p{index}", [])
    assert len(history) == 5


def test_a_longer_pin_in_place_of_a_shorter_one_counts_in_full_against_the_cap() -> None:
    bench = Bench(max_pinned_fraction=0.5)
    bench.turn("a", 4, hard(1))
    keys = keys_of("a", 6)
    held = bench.store.resident_prefix(keys)
    bench.store.hold(held)
    held += bench.store.allocate(keys[4:])
    assert bench.ledger.finish_turn("a", keys, held, pin=hard(2), is_last=False) is None
    assert bench.ledger.finish_turn("a", keys[:5], held[:5], pin=hard(2), is_last=False) is not None
    bench.store.give_back(held)
    assert bench.counts == (1, 5, 0)
