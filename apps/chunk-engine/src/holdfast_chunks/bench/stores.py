"""What was stored before a request came: behind the system prompt, in requests of the past, behind neutral prefixes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast_chunks.bench.sample import Chunk, Item, Sample
from holdfast_chunks.kv.variant import Variant
from holdfast_chunks.run.executor import Executor

#: Requests of the past that held each chunk. Each shares three of its five chunks with the request that is measured.
PAST_REQUESTS = 2
NEUTRAL_PREFIXES = 8
_NEUTRAL_LENGTHS = (1, 2, 3, 4)
_SHARED = 2
_FOREIGN = 2


@dataclass(frozen=True)
class Stores:
    """Variants of the chunks of one item, by chunk."""

    system: str
    behind_system: tuple[Variant, ...]
    past: tuple[tuple[Variant, ...], ...]  # by chunk, then by request of the past, the latest last
    mean_of_past: tuple[Variant, ...]
    neutral: tuple[Variant, ...]


def neutral_prefixes(sample: Sample) -> list[tuple[Chunk, ...]]:
    """The fixed prefixes, the same for every request."""
    passages = iter(sample.neutral())
    lengths = [_NEUTRAL_LENGTHS[at % len(_NEUTRAL_LENGTHS)] for at in range(NEUTRAL_PREFIXES)]
    return [tuple(next(passages) for _ in range(length)) for length in lengths]


def company(item: Item, place: int, foreign: Sequence[Chunk], seed: int) -> tuple[Chunk, ...]:
    """What preceded a chunk in a request of the past."""
    drawn = random.Random(f"{item.index}/{place}/{seed}")  # noqa: S311 - a fixed draw, not a secret
    others = [chunk for at, chunk in enumerate(item.chunks) if at != place]
    mates = [*drawn.sample(others, _SHARED), *drawn.sample(list(foreign), _FOREIGN)]
    drawn.shuffle(mates)
    return tuple(mates[: drawn.randrange(len(mates) + 1)])


def build_stores(executor: Executor, sample: Sample, item: Item) -> Stores:
    """Build everything that the methods of the bench choose from. Modifies the store."""
    builder = _Builder(executor, sample)
    neutral = neutral_prefixes(sample)
    foreign = sample.past()
    past = [[company(item, at, foreign, seed) for seed in range(PAST_REQUESTS)] for at in range(len(item.chunks))]
    return Stores(
        system=builder.system(),
        behind_system=tuple(builder.build("system", chunk, [()]) for chunk in item.chunks),
        past=tuple(
            tuple(builder.build(f"past{seed}", chunk, [mates]) for seed, mates in enumerate(seen))
            for chunk, seen in zip(item.chunks, past, strict=True)
        ),
        mean_of_past=tuple(builder.build("mean", chunk, seen) for chunk, seen in zip(item.chunks, past, strict=True)),
        neutral=tuple(builder.build("neutral", chunk, neutral) for chunk in item.chunks),
    )


class _Builder:
    def __init__(self, executor: Executor, sample: Sample) -> None:
        self._executor = executor
        self._sample = sample

    def system(self) -> str:
        return self._executor.build(_named("system", "", ()), [()], self._sample.system).variant_id

    def build(self, kind: str, chunk: Chunk, contexts: Sequence[tuple[Chunk, ...]]) -> Variant:
        variant = _named(f"{kind}/{chunk.chunk_id}", chunk.chunk_id, tuple(mate.chunk_id for mate in contexts[0]))
        blocks, at = [], len(self._sample.system)
        for mate in contexts[0]:
            blocks.append((at, at + len(mate.token_ids)))
            at += len(mate.token_ids)
        prefixes = [
            [*self._sample.system, *(token for mate in mates for token in mate.token_ids)] for mates in contexts
        ]
        return self._executor.build(variant, prefixes, chunk.token_ids, blocks)


def _named(variant_id: str, chunk_id: str, prefix: tuple[str, ...]) -> Variant:
    return Variant(
        variant_id=variant_id,
        generation=0,
        chunk_id=chunk_id,
        prefix_chunk_ids=prefix,
        salt="bench",
        source="musique",
        source_version="",
        token_digest=b"",
        token_count=0,
        built_at=0,
        prefix_digest=b"",
        is_canonical=True,
        byte_count=0,
    )
