from __future__ import annotations

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast_vllm.hints import Hints, read_hints, without_hints, write_answer
from holdfast_vllm.pins.pin import LONGEST_TTL_MS, PinTerms, PinView

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
NAMES = st.sampled_from(["ttlMs", "soft", "value", "other"])
JSON = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(NAMES, SCALARS, max_size=4)


def test_all_hints_are_read() -> None:
    text = (
        '{"holdfast": {"request": "r.1", "program": "p", "turn": 3, "arrivalMs": 1700000000123, "rank": -4, '
        '"bid": 0.5, "pin": {"ttlMs": 1500, "soft": true, "value": 2}, "last": true, "later": [1]}}'
    )
    pin = PinTerms(ttl_ms=1_500, soft=True, value=2)
    expected = Hints(
        "p", request_id="r.1", turn=3, arrival_ms=1_700_000_000_123, rank=-4, bid=0.5, pin=pin, is_last=True
    )
    assert read_hints(json.loads(text)) == expected


@pytest.mark.parametrize("request_id", ["", 7, None, "r" * 257])
def test_a_request_id_that_cannot_be_one_is_dropped(request_id: object) -> None:
    assert read_hints({"holdfast": {"program": "p", "request": request_id}}) == Hints("p")


@pytest.mark.parametrize("value", ['"inf"', "null"])
def test_a_pin_of_infinite_value_is_written_as_text_or_left_out(value: str) -> None:
    hints = read_hints(json.loads(f'{{"holdfast": {{"program": "p", "pin": {{"ttlMs": 1, "value": {value}}}}}}}'))
    assert hints is not None
    assert hints.pin == PinTerms(ttl_ms=1, value=math.inf)


@pytest.mark.parametrize(
    "params",
    [None, [], {}, {"holdfast": None}, {"holdfast": {}}, {"holdfast": {"program": ""}}, {"holdfast": {"program": 5}}],
)
def test_without_a_program_there_are_no_hints(params: object) -> None:
    assert read_hints(params) is None


@pytest.mark.parametrize("pin", [5, {}, {"ttlMs": 0}, {"ttlMs": "1"}, {"ttlMs": 5, "value": "much"}, {"ttlMs": True}])
def test_a_pin_that_cannot_be_read_is_dropped_and_the_rest_is_kept(pin: object) -> None:
    hints = read_hints({"holdfast": {"program": "p", "rank": 7, "pin": pin}})
    assert hints == Hints("p", rank=7)


def test_a_lifetime_beyond_the_wire_is_the_longest() -> None:
    hints = read_hints({"holdfast": {"program": "p", "pin": {"ttlMs": 1e15}}})
    assert hints is not None
    assert hints.pin is not None
    assert hints.pin.ttl_ms == LONGEST_TTL_MS


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("program", "turn", "arrivalMs", "rank", "bid", "pin", "last"), JSON),
    )
)
def test_no_hint_is_an_error(hints: dict[str, object]) -> None:
    found = read_hints({"holdfast": {"program": "p", **hints}})
    assert found is None or (isinstance(found.rank, int) and not math.isnan(found.bid))


def test_parameters_of_others_are_left_alone() -> None:
    assert without_hints({"holdfast": {}, "do_remote_prefill": True}) == {"do_remote_prefill": True}
    assert without_hints({"holdfast": {}}) is None


def test_the_answer_names_what_is_held_and_the_epoch() -> None:
    view = PinView("p", blocks=3, tokens=96, expires_in_ms=250, soft=False, value=1.0)
    held = {"pinnedBlocks": 3, "pinnedTokens": 96, "expiresInMs": 250, "epoch": "e"}
    assert write_answer(view, "e") == held
    assert write_answer(None, "e") == {"pinnedBlocks": 0, "pinnedTokens": 0, "expiresInMs": 0, "epoch": "e"}
