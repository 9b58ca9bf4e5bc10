"""The hints of a request and the answer to them: the key `holdfast` of `kv_transfer_params_json`, both ways.

A hint may never change the meaning of an answer, so a malformed one is no error: the part that cannot be read is
dropped, and a request without a usable program has no hints at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from holdfast_vllm.pins.pin import LONGEST_TTL_MS, PinTerms, PinView

KEY = "holdfast"

#: Longest program id that is accepted, in characters.
MAX_PROGRAM_ID = 256

#: Longest request id that is accepted, in characters.
MAX_REQUEST_ID = 256


@dataclass(frozen=True)
class Hints:
    """What a caller wants of the engine beside an answer."""

    program_id: str
    #: The caller's id of the request: vLLM appends to it, and a new rank comes under the caller's. None: not said.
    request_id: str | None = None
    turn: int = 0
    #: Program arrival in milliseconds since 1970, the key among requests of one rank; None when it is not said.
    arrival_ms: float | None = None
    #: The order wanted now, smaller first.
    rank: int = 0
    #: What the request bids for pinned memory; 0 never takes a pin.
    bid: float = 0.0
    #: The pin to set when the turn finishes.
    pin: PinTerms | None = None
    #: No turn follows.
    is_last: bool = False


def read_hints(params: object) -> Hints | None:
    """Read the hints out of the transfer parameters of a request. Pure."""
    found = params.get(KEY) if isinstance(params, Mapping) else None
    if not isinstance(found, Mapping):
        return None
    program_id = found.get("program")
    if not isinstance(program_id, str) or not 1 <= len(program_id) <= MAX_PROGRAM_ID:
        return None
    arrival = _number(found.get("arrivalMs"), 0.0)
    request_id = found.get("request")
    names_request = isinstance(request_id, str) and 1 <= len(request_id) <= MAX_REQUEST_ID
    return Hints(
        program_id=program_id,
        request_id=str(request_id) if names_request else None,
        turn=int(_number(found.get("turn"), 0.0)),
        arrival_ms=arrival if arrival > 0 else None,
        rank=round(_number(found.get("rank"), 0.0)),
        bid=_price(found.get("bid"), 0.0) or 0.0,
        pin=_read_pin(found.get("pin")),
        is_last=found.get("last") is True,
    )


def without_hints(params: Mapping[str, object] | None) -> dict[str, object] | None:
    """The parameters that are left for others. None when there are none. Pure."""
    rest = {key: value for key, value in (params or {}).items() if key != KEY}
    return rest or None


def write_answer(pin: PinView | None, epoch: str) -> dict[str, object]:
    """What the engine holds for the program now, all zero when nothing. Pure."""
    return {
        "pinnedBlocks": pin.blocks if pin is not None else 0,
        "pinnedTokens": pin.tokens if pin is not None else 0,
        "expiresInMs": pin.expires_in_ms if pin is not None else 0,
        "epoch": epoch,
    }


def _read_pin(found: object) -> PinTerms | None:
    if not isinstance(found, Mapping):
        return None
    ttl_ms = _number(found.get("ttlMs"), 0.0)
    value = _price(found.get("value"), math.inf)
    if ttl_ms < 1 or value is None:
        return None
    return PinTerms(ttl_ms=min(int(ttl_ms), LONGEST_TTL_MS), soft=found.get("soft") is True, value=value)


def _price(found: object, default: float) -> float | None:
    """A number, or the string "inf", since JSON has no infinity. None when it is neither."""
    if found is None:
        return default
    if found == "inf":
        return math.inf
    number = _number(found, math.nan)
    return None if math.isnan(number) else number


def _number(found: object, default: float) -> float:
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found):
        return default
    return float(found)
