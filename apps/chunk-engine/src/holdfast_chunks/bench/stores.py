"""What was stored before a request came: behind the system prompt, in requests of the past, behind neutral prefixes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise

from holdfast_chunks.bench.sample import CHUNKS, Chunk, Item, Sample
from holdfast_chunks.kv.store import Loaded, VariantStore
from holdfast_chunks.kv.variant import SpanKv, Variant, mean_kv, token_spread
from holdfast_chunks.run.executor import Executor, stats_of
from holdfast_chunks.run.plan import Plan, Segment, Work

SALT = "bench"
#: How many chunks of the first and of the second item of a pair each request of the past held.
_HELD = ((3, 2), (2, 3), (2, 3), (3, 2))
#: Chunks in each of the fixed neutral prefixes.
_NEUTRAL_LENGTHS = (1, 2, 3, 4)


def neutral_prefixes(sample: Sample) -> list[tuple[Chunk, ...]]:
    """The fixed prefixes, the same for every request."""
    passages = iter(sample.neutral())
    return [tuple(next(passages) for _ in range(length)) for length in _NEUTRAL_LENGTHS]


def past_requests(pair: tuple[Item, Item]) -> list[list[Chunk]]:
    """The chunks of four requests of the past, in their order: each chunk of both items was in two of them.

    For either item the other one's chunks are foreign. Two items share a history since running it costs most.
    """
    drawn = random.Random(pair[0].index)  # noqa: S311 - a fixed draw, not a secret
    piles = [[*drawn.sample(item.chunks, CHUNKS), *drawn.sample(item.chunks, CHUNKS)] for item in pair]
    requests = []
    for held in _HELD:
        request = [pile.pop(0) for pile, count in zip(piles, held, strict=True) for _ in range(count)]
        drawn.shuffle(request)
        requests.append(request)
    drawn.shuffle(requests)
    return requests


class StoreBuilder:
    """Builds what the methods of the bench choose from. Modifies the store."""

    def __init__(self, executor: Executor, store: VariantStore, sample: Sample) -> None:
        self._executor = executor
        self._store = store
        self._sample = sample
        self._neutral = neutral_prefixes(sample)
        self._pair = -1
        self._past: dict[str, list[Variant]] = {}

    def stores(self, item: Item) -> Stores:
        """The stores of one item. Its requests of the past are run; the rest is built when a method asks for it."""
        pair = item.index // 2
        if pair != self._pair:
            self._store.evict_where(lambda _: True, "another pair of items")
            self._past = {}
            requests = past_requests((self._sample.item(2 * pair), self._sample.item(2 * pair + 1)))
            for at, request in enumerate(requests):
                for variant in self._run(request, f"past{at}"):
                    self._past.setdefault(variant.chunk_id, []).append(variant)
            self._pair = pair
        system = self._executor.build(_named("system", "", ()), [()], self._sample.system).variant_id
        return Stores(self, item, system, [self._past[chunk.chunk_id] for chunk in item.chunks])

    def behind_system(self, chunk: Chunk) -> Variant:
        """A chunk behind the system prompt: exact in first place."""
        return self._behind("system", chunk, [()])

    def neutral(self, chunk: Chunk) -> Variant:
        """The mean of a chunk's KV over the neutral prefixes."""
        return self._behind("neutral", chunk, self._neutral)

    def one_neutral(self, chunk: Chunk) -> Variant:
        """A chunk's KV behind the second of the neutral prefixes, which has two chunks."""
        return self._behind("one-neutral", chunk, self._neutral[1:2])

    def _behind(self, kind: str, chunk: Chunk, contexts: Sequence[tuple[Chunk, ...]]) -> Variant:
        variant = _named(f"{kind}/{chunk.chunk_id}", chunk.chunk_id, ())
        return self._executor.build(variant, [self._tokens(mates) for mates in contexts], chunk.token_ids)

    def _run(self, request: Sequence[Chunk], name: str) -> list[Variant]:
        """Run a request of the past, and keep its chunks with their masses."""
        tokens = self._tokens(request)
        lengths = [len(self._sample.system), *(len(chunk.token_ids) for chunk in request)]
        edges = [sum(lengths[:at]) for at in range(len(lengths) + 1)]
        plan = Plan(tuple(Segment(at, start, end, Work.COMPUTE) for at, (start, end) in enumerate(pairwise(edges))))
        places = range(1, len(lengths))
        done = self._executor.prefill(tokens, plan, salt=SALT, room=0, captures=places)
        made = []
        for at in places:
            before = tuple(chunk.chunk_id for chunk in request[: at - 1])
            named = _named(f"{name}/{request[at - 1].chunk_id}", request[at - 1].chunk_id, before)
            stats = stats_of(done.masses[at], len(before))
            made.append(self._executor.capture(done, at, replace(named, stats=stats), tokens))
        return made

    def mean(self, variants: Sequence[Variant]) -> Variant:
        """The mean of the KV that requests of the past left of a chunk."""
        spans = [self._span(variant) for variant in variants]
        first = variants[0]
        mean = replace(
            first,
            variant_id=f"mean/{first.chunk_id}",
            prefix_digest=b"",
            is_canonical=False,
            stats=replace(first.stats, token_spread=token_spread(spans)),
        )
        return self._store.put(mean, mean_kv(spans))

    def _span(self, variant: Variant) -> SpanKv:
        loaded = self._store.load(
            variant.variant_id, generation=variant.generation, salt=SALT, digest=variant.token_digest
        )
        if not isinstance(loaded, Loaded):
            raise LookupError(f"{variant.variant_id} was just stored and is {loaded.value}")
        return loaded.span

    def _tokens(self, chunks: Sequence[Chunk]) -> list[int]:
        return [*self._sample.system, *(token for chunk in chunks for token in chunk.token_ids)]


class Stores:
    """Variants of the chunks of one item, by the chunk's place."""

    def __init__(self, builder: StoreBuilder, item: Item, system: str, past: Sequence[Sequence[Variant]]) -> None:
        self.system = system
        self.past = past  # by place, then by request of the past, the latest last
        self.behind_system = cache(lambda place: builder.behind_system(item.chunks[place]))
        self.one_neutral = cache(lambda place: builder.one_neutral(item.chunks[place]))
        self.neutral = cache(lambda place: builder.neutral(item.chunks[place]))
        self.mean_of_past = cache(lambda place: builder.mean(past[place]))


def _named(variant_id: str, chunk_id: str, prefix: tuple[str, ...]) -> Variant:
    return Variant(
        variant_id=variant_id,
        generation=0,
        chunk_id=chunk_id,
        prefix_chunk_ids=prefix,
        salt=SALT,
        source="musique",
        source_version="",
        token_digest=b"",
        token_count=0,
        built_at=0,
        prefix_digest=b"",
        is_canonical=True,
        byte_count=0,
    )
