"""Variants as safetensors files: written aside and moved, checked by SHA-256, mapped into memory when read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from holdfast_chunks.kv.variant import SpanKv

_SUFFIX = ".safetensors"


class CorruptFileError(Exception):
    """A stored file is not what was written."""


class KvFolder:
    """The disk tier. Names are digests, so that no caller's id becomes a path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def name_of(self, variant_id: str, generation: int) -> str:
        """File name of a variant."""
        return hashlib.sha256(f"{generation}/{variant_id}".encode()).hexdigest() + _SUFFIX

    def write(self, name: str, span: SpanKv) -> str:
        """Store; returns the SHA-256 of the file's bytes."""
        aside = self.folder / f"{name}.new"
        save_file({"keys": span.keys.contiguous(), "values": span.values.contiguous()}, str(aside))
        digest = _digest(aside)
        aside.replace(self.folder / name)
        return digest

    def read(self, name: str, expected_digest: str) -> SpanKv:
        """Load by mapping. Raises CorruptFileError when the bytes are not those that were written."""
        file = self.folder / name
        try:
            actual = _digest(file)
            if actual != expected_digest:
                raise CorruptFileError(f"{name} has SHA-256 {actual}, and {expected_digest} was written")
            tensors = load_file(str(file))
            return SpanKv(tensors["keys"], tensors["values"])
        except (OSError, SafetensorError, KeyError) as error:
            raise CorruptFileError(f"{name} cannot be read: {error}") from error

    def remove(self, name: str) -> None:
        """Remove; no error when it is gone."""
        (self.folder / name).unlink(missing_ok=True)

    def remove_others(self, keep: set[str]) -> int:
        """Remove every file that is not in `keep`; returns how many."""
        others = [file for file in self.folder.iterdir() if file.is_file() and file.name not in keep]
        for file in others:
            os.unlink(file)
        return len(others)


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
