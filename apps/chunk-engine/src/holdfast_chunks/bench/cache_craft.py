"""Cache-Craft's choice in the paper's form (arXiv:2502.15734, Eq. 6 to 14), defects included. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from holdfast_chunks.kv.variant import Variant


def overlap(variant: Variant, now: Sequence[str]) -> float:
    """Overlap beta' (Eq. 6 to 8): how much of the old context is there again, less a penalty for another order."""
    old = variant.prefix_chunk_ids
    total = sum(variant.stats.inter)
    kept = sum(mass for name, mass in zip(old, variant.stats.inter, strict=True) if name in now)
    # The paper leaves 0/0 open; both public re-implementations take 1.
    share = kept / total if total > 0 else 1.0
    common = [name for name in old if name in now]
    pairs = list(combinations(common, 2))
    turned = sum(1 for first, second in pairs if now.index(first) > now.index(second))
    return share * (1 - (turned / len(pairs) if pairs else 0.0))


def context_impact(variant: Variant, chunk_tokens: int) -> float:
    """CCI (Eq. 9 to 11)."""
    # Every chunk of the bench has the same length.
    outside = sum(variant.stats.inter) / chunk_tokens**2
    inside = variant.stats.intra / chunk_tokens**2
    return 1 / (1 + math.exp(-outside / inside))


def recompute_score(variant: Variant, now: Sequence[str], chunk_tokens: int) -> float:
    """CFO (Eq. 12) with alpha 1: the bench scales it to the budget."""
    return context_impact(variant, chunk_tokens) * (1 - overlap(variant, now))


def split(budget: int, scores: Sequence[float], length: int) -> list[int]:
    """Tokens for each chunk in proportion to its score, none above its length; equal shares when all scores are 0."""
    counts = [0] * len(scores)
    weights = [score if sum(scores) > 0 else 1.0 for score in scores]
    left = min(budget, length * len(scores))
    while left > 0:
        open_places = [place for place, count in enumerate(counts) if count < length]
        total = sum(weights[place] for place in open_places)
        if total == 0:  # the budget is larger than the chunks with a score can take
            weights = [1.0] * len(scores)
            continue
        given = [min(length - counts[place], int(left * weights[place] / total)) for place in open_places]
        if sum(given) == 0:
            best = max(open_places, key=lambda place: (weights[place], -place))
            counts[best] += 1
            left -= 1
            continue
        for place, count in zip(open_places, given, strict=True):
            counts[place] += count
        left -= sum(given)
    return counts
