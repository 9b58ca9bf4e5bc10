"""The methods that are compared: which variant of each chunk, how many tokens, chosen how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from holdfast_chunks.bench.cache_craft import recompute_score, split
from holdfast_chunks.bench.sample import CHUNK_TOKENS, Item
from holdfast_chunks.bench.stores import Stores
from holdfast_chunks.kv.variant import Variant
from holdfast_chunks.run.plan import Fix, Plan, RequestFix, Segment, Selector, Work

SHARES = (0.05, 0.10, 0.20, 0.30, 0.50)
#: Rows that a verdict compares.
CORE = {"reuse@0", "cache-craft@0.2", "cache-craft@0.3", *(f"holdfast@{share:g}" for share in (0, *SHARES[1:]))}


class Store(Enum):
    """Which variants a method reuses."""

    NOTHING = "nothing"
    SYSTEM = "behind the system prompt"
    LATEST = "latest request of the past"
    CLOSEST = "past request of least CFO"
    ONE_NEUTRAL = "behind one neutral prefix"
    NEUTRAL = "mean over neutral prefixes"
    HOLDFAST = "mean over past requests; exact in first place"


@dataclass(frozen=True)
class Method:
    """A row of the table."""

    name: str
    store: Store
    share: float
    selector: Selector = Selector.FIRST
    #: A verdict rests on it: it is measured on every item, the others on some.
    is_core: bool = False

    @property
    def key(self) -> str:
        """Names the row in files."""
        return f"{self.name}@{self.share:g}"


def all_methods() -> list[Method]:
    """Every row but `full`, which is the reference."""
    swept = (
        ("random", Store.LATEST, Selector.RANDOM),
        ("first", Store.LATEST, Selector.FIRST),
        ("cacheblend", Store.LATEST, Selector.KV_DEVIATION),
        ("cache-craft", Store.CLOSEST, Selector.INTER),
        ("holdfast", Store.HOLDFAST, Selector.QUERY),
    )
    methods = [
        Method("prefix", Store.NOTHING, 1.0),
        Method("reuse", Store.LATEST, 0.0),
        Method("cache-craft", Store.CLOSEST, 0.0),
        Method("holdfast", Store.HOLDFAST, 0.0),
        *(Method(name, store, share, selector) for share in SHARES for name, store, selector in swept),
        # Stores without knowledge of the request, and what each lever of `holdfast` gives alone.
        Method("system-store", Store.SYSTEM, 0.0),
        Method("one-neutral-store", Store.ONE_NEUTRAL, 0.0),
        Method("neutral-store", Store.NEUTRAL, 0.0),
        Method("holdfast-tokens-only", Store.CLOSEST, 0.20, Selector.QUERY),
        Method("holdfast-store-only", Store.HOLDFAST, 0.20, Selector.FIRST),
        Method("holdfast-value", Store.HOLDFAST, 0.20, Selector.VALUE),
        *(Method("neutral-holdfast", Store.NEUTRAL, share, Selector.QUERY) for share in (0.20, 0.30)),
    ]
    return [replace(method, is_core=method.key in CORE) for method in methods]


def plan_of(method: Method, sample_system: int, item: Item, stores: Stores) -> Plan:
    """The plan of a method for one item. Pure."""
    budget = round(method.share * CHUNK_TOKENS * len(item.chunks))
    variants = _variants(method.store, item, stores)
    fixes: list[Fix | None] = [None] * len(item.chunks)
    request: RequestFix | None = None
    if method.name == "cache-craft":
        before = [chunk.chunk_id for chunk in item.chunks]
        scores = [
            recompute_score(variant, before[:place], CHUNK_TOKENS) for place, variant in enumerate(variants) if variant
        ]
        fixes = [Fix(Selector.INTER, token_count=count) for count in split(budget, scores, CHUNK_TOKENS)]
    elif method.selector is Selector.FIRST:
        counts = split(budget, _even(variants), CHUNK_TOKENS)
        fixes = [Fix(Selector.PLAN, tokens=((0, count),)) if count else None for count in counts]
    elif budget:
        request = RequestFix(method.selector, budget, seed=item.index)
    return Plan(tuple(_segments(sample_system, item, variants, fixes, stores)), request)


def _even(variants: Sequence[Variant | None]) -> list[float]:
    """Equal shares, but none for a chunk that is exact."""
    return [0.0 if variant is not None and _is_exact(place, variant) else 1.0 for place, variant in enumerate(variants)]


def _is_exact(place: int, variant: Variant) -> bool:
    return place == 0 and variant.is_canonical and not variant.prefix_chunk_ids


def _variants(store: Store, item: Item, stores: Stores) -> list[Variant | None]:
    names = [chunk.chunk_id for chunk in item.chunks]
    places = range(len(names))
    if store is Store.NOTHING:
        # A prefix cache has the first chunk when a request of the past had it in first place.
        first = next((variant for variant in stores.past[0] if _is_exact(0, variant)), None)
        return [first, *(None for _ in places[1:])]
    if store is Store.SYSTEM:
        return [stores.behind_system(place) for place in places]
    if store is Store.LATEST:
        return [seen[-1] for seen in stores.past]
    if store is Store.CLOSEST:
        return [
            min(reversed(stores.past[place]), key=lambda v: recompute_score(v, names[:place], CHUNK_TOKENS))
            for place in places
        ]
    of_place = {
        Store.ONE_NEUTRAL: stores.one_neutral,
        Store.NEUTRAL: stores.neutral,
        Store.HOLDFAST: stores.mean_of_past,
    }[store]
    return [stores.behind_system(0), *(of_place(place) for place in places[1:])]


def _segments(
    system_tokens: int,
    item: Item,
    variants: Sequence[Variant | None],
    fixes: Sequence[Fix | None],
    stores: Stores,
) -> list[Segment]:
    made = [Segment(0, 0, system_tokens, Work.PREFIX, variant_id=stores.system)]
    for place, (chunk, variant, fix) in enumerate(zip(item.chunks, variants, fixes, strict=True)):
        start = made[-1].end
        end = start + len(chunk.token_ids)
        if variant is None:
            made.append(Segment(place + 1, start, end, Work.COMPUTE))
        else:
            work = Work.PREFIX if _is_exact(place, variant) else Work.REUSE
            kept = None if work is Work.PREFIX else fix
            made.append(Segment(place + 1, start, end, work, variant_id=variant.variant_id, fix=kept))
    start = made[-1].end
    return [*made, Segment(len(made), start, start + len(item.question), Work.COMPUTE)]
