"""Text to token ids and back."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from holdfast_chunks.errors import ModelFolderError

#: What a decoder shows for bytes that are not a character yet.
_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


def token_digest(token_ids: Sequence[int]) -> bytes:
    """SHA-256 over the ids, each as four bytes, little endian: what both sides of the wire compare."""
    return hashlib.sha256(struct.pack(f"<{len(token_ids)}I", *token_ids)).digest()


class TextCodec:
    """The tokenizer of a model folder."""

    def __init__(self, folder: Path) -> None:
        file = folder / "tokenizer.json"
        try:
            self.digest = hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError as error:
            raise ModelFolderError(f"{file} cannot be read: {error.strerror}") from error
        self._tokenizer = Tokenizer.from_file(str(file))

    def encode(self, text: str) -> list[int]:
        """Ids of the text by itself; special tokens only where the text spells them."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, token_ids: Sequence[int]) -> str:
        """Text of the ids, without special tokens."""
        text: str = self._tokenizer.decode(list(token_ids), skip_special_tokens=True)
        return text


class TextStream:
    """Turns ids that arrive one by one into text, holding back what is half a character."""

    def __init__(self, codec: TextCodec) -> None:
        self._codec = codec
        self._ids: list[int] = []
        self._shown = ""

    def push(self, token_id: int) -> str:
        """Text that became complete with this id."""
        self._ids.append(token_id)
        text = self._codec.decode(self._ids)
        if text.endswith(_INCOMPLETE):
            return ""
        fresh = text[len(self._shown) :]
        self._shown = text
        return fresh
