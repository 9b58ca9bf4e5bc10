"""KV of a span of tokens, keys without rotation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

_SPANS_OF_A_SPREAD = 2


@dataclass(frozen=True)
class SpanKv:
    """Keys (not rotated) and values of a span, `[layers, kv_heads, tokens, dim]` each."""

    keys: torch.Tensor
    values: torch.Tensor

    @property
    def token_count(self) -> int:
        """Tokens in the span."""
        return int(self.keys.shape[2])

    @property
    def byte_count(self) -> int:
        """Bytes of both."""
        return self.keys.nbytes + self.values.nbytes

    def part(self, start: int, end: int) -> SpanKv:
        """The tokens from start to end, as a copy of their own."""
        return SpanKv(self.keys[:, :, start:end].clone(), self.values[:, :, start:end].clone())


def mean_kv(spans: Sequence[SpanKv]) -> SpanKv:
    """Mean over KV of the same tokens behind several prefixes.

    One sample of the context is off by its own deviation and by that of the context it meets; the mean of n samples
    keeps the latter and an n-th of the former. Keys can be averaged because they are not rotated.
    """
    keys = torch.stack([span.keys.float() for span in spans]).mean(0)
    values = torch.stack([span.values.float() for span in spans]).mean(0)
    return SpanKv(keys.to(spans[0].keys.dtype), values.to(spans[0].values.dtype))


def token_spread(spans: Sequence[SpanKv]) -> tuple[float, ...]:
    """How far each token's KV varies over the contexts: variance over mean square, layers averaged; () for one span.

    What varied between known contexts is what will be off in an unknown one.
    """
    if len(spans) < _SPANS_OF_A_SPREAD:
        return ()
    total = torch.zeros(spans[0].token_count)
    for part in ("keys", "values"):
        stack = torch.stack([getattr(span, part).float() for span in spans])
        variance = stack.var(0, correction=0).sum(dim=(1, 3))
        total += (variance / stack.square().mean(0).sum(dim=(1, 3)).clamp_min(1e-12)).mean(0).cpu()
    return tuple(float(value) for value in total)


@dataclass(frozen=True)
class VariantStats:
    """Attention masses of the making, heads and layers averaged, and how far the KV varies with the context."""

    inter: tuple[float, ...] = ()
    intra: float = 0.0
    token_inter: tuple[float, ...] = ()
    token_spread: tuple[float, ...] = ()


@dataclass(frozen=True)
class Variant:
    """What is stored under one name. The salt is part of the identity."""

    variant_id: str
    generation: int
    chunk_id: str
    prefix_chunk_ids: tuple[str, ...]
    salt: str
    source: str
    source_version: str
    token_digest: bytes
    token_count: int
    built_at: int
    prefix_digest: bytes
    is_canonical: bool
    byte_count: int
    stats: VariantStats = field(default_factory=VariantStats)
