"""Questions with passages, as token ids."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

from holdfast_chunks.model.tokens import TextCodec

CHUNK_TOKENS = 160
CHUNKS = 5
#: Items that are measured; the others only lend passages.
MEASURED_ITEMS = 100
_NEUTRAL_ITEMS = range(130, 150)
_SYSTEM = (
    "<|im_start|>system\nAnswer the question from the passages. Be brief.<|im_end|>\n<|im_start|>user\nPassages:\n\n"
)
_QUESTION = "Question: {}\nAnswer in a few words.<|im_end|>\n<|im_start|>assistant\n"

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Chunk:
    """A passage."""

    chunk_id: str
    token_ids: Ids


@dataclass(frozen=True)
class Item:
    """One request: chunks, question, and the answer that the data set gives."""

    index: int
    chunks: tuple[Chunk, ...]
    question: Ids
    gold: Ids


class Sample:
    """The bundled sample."""

    def __init__(self, file: Path, codec: TextCodec) -> None:
        with gzip.open(file, "rt") as stream:
            self._raw = json.load(stream)
        self._codec = codec
        self._end = codec.encode("\n\n")
        self.system: Ids = tuple(codec.encode(_SYSTEM))

    def item(self, index: int) -> Item:
        """An item by its place in the file."""
        raw = self._raw[index]
        return Item(
            index,
            tuple(self.chunk(index, place) for place in range(CHUNKS)),
            tuple(self._codec.encode(_QUESTION.format(raw["question"]))),
            tuple(self._codec.encode(raw["answers"][0])),
        )

    def chunk(self, index: int, place: int) -> Chunk:
        """A passage of an item, cut to the chunk's length."""
        ids = self._codec.encode(self._raw[index]["passages"][place])[: CHUNK_TOKENS - len(self._end)]
        return Chunk(f"{index}/{place}", (*ids, *self._end))

    def neutral(self) -> list[Chunk]:
        """Passages that no measured request and no request of their past holds."""
        return [self.chunk(index, place) for index in _NEUTRAL_ITEMS for place in range(CHUNKS)]
