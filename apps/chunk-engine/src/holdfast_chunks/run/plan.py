"""A plan, free of the wire, and what it must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from holdfast_chunks.errors import field_invalid


class Work(Enum):
    """Where a segment's KV comes from."""

    COMPUTE = "compute"
    PREFIX = "prefix"
    REUSE = "reuse"


class Selector(Enum):
    """Rules for the choice of tokens; names of holdfast.chunk.v1.Selector."""

    PLAN = "PLAN"
    FIRST = "FIRST"
    INTER = "INTER"
    KV_DEVIATION = "KV_DEVIATION"
    QUERY = "QUERY"
    VALUE = "VALUE"
    RANDOM = "RANDOM"


@dataclass(frozen=True)
class Fix:
    """Tokens of one segment to recompute: listed, or counted."""

    selector: Selector
    tokens: tuple[tuple[int, int], ...] = ()
    token_count: int = 0


@dataclass(frozen=True)
class RequestFix:
    """One number of tokens for all reuse segments."""

    selector: Selector
    token_count: int
    first_tokens: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Segment:
    """A part of the prompt."""

    segment_id: int
    start: int
    end: int
    work: Work
    variant_id: str = ""
    generation: int = 0
    token_digest: bytes = b""
    fix: Fix | None = None
    stop_after: int = 0
    alternates: tuple[str, ...] = ()
    fails_on_miss: bool = False
    #: With COMPUTE: its attention steers the choice of tokens. Without any, the last segment does.
    is_question: bool = False

    @property
    def length(self) -> int:
        """Tokens."""
        return self.end - self.start


@dataclass(frozen=True)
class Plan:
    """Segments that tile the prompt."""

    segments: tuple[Segment, ...]
    request_fix: RequestFix | None = None
    max_loaded_bytes: int = 0


def check_plan(plan: Plan, *, prompt_tokens: int, layers: int) -> None:
    """Raise FIELD_INVALID unless the segments tile the prompt, the last one is computed and every fix fits."""
    position = 0
    for index, segment in enumerate(plan.segments):
        name = f"plan.segments[{index}]"
        if segment.start != position or segment.end <= segment.start:
            raise field_invalid(f"{name}.range", (segment.start, segment.end), f"a range that starts at {position}")
        if segment.work is Work.PREFIX and any(item.work is not Work.PREFIX for item in plan.segments[:index]):
            raise field_invalid(f"{name}.prefix", segment.variant_id, "prefix segments before all others")
        if segment.stop_after > layers:
            raise field_invalid(f"{name}.layers.stop_after", segment.stop_after, f"0 to {layers}")
        _check_fix(name, segment)
        position = segment.end
    if position != prompt_tokens:
        raise field_invalid("plan.segments", f"{position} tokens", f"segments that cover all {prompt_tokens} tokens")
    if not plan.segments or plan.segments[-1].work is not Work.COMPUTE:
        raise field_invalid("plan.segments", "no computed end", "a last segment that is computed")
    if len({segment.segment_id for segment in plan.segments}) != len(plan.segments):
        raise field_invalid("plan.segments.segment_id", "a repeated id", "unique ids")
    if plan.request_fix is not None and plan.request_fix.selector is Selector.PLAN:
        raise field_invalid("plan.request_fix.selector", "PLAN", "a selector that chooses by itself")


def _check_fix(name: str, segment: Segment) -> None:
    if segment.fix is None:
        return
    if segment.fix.token_count > segment.length:
        raise field_invalid(f"{name}.fix.token_count", segment.fix.token_count, f"0 to {segment.length}")
    last = 0
    for start, end in segment.fix.tokens:
        if start < last or end <= start or end > segment.length:
            raise field_invalid(f"{name}.fix.tokens", (start, end), f"ascending ranges from {last} to {segment.length}")
        last = end


def ranges_of(indices: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending indices as half-open ranges."""
    ranges: list[tuple[int, int]] = []
    for index in indices:
        if ranges and ranges[-1][1] == index:
            ranges[-1] = (ranges[-1][0], index + 1)
        else:
            ranges.append((index, index + 1))
    return ranges
