"""Variants as safetensors files: written aside and moved, checked by SHA-256, mapped into memory when read.

A file says by itself what it holds, so that variants outlive the process: its metadata has the variant and a digest
over that and the tensors.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from holdfast_chunks.kv.variant import SpanKv, Variant, VariantStats

_SUFFIX = ".safetensors"


class CorruptFileError(Exception):
    """A stored file is not what was written."""


class CannotStoreError(Exception):
    """A file cannot be written."""

    def __init__(self, message: str, *, is_disk_full: bool) -> None:
        super().__init__(message)
        self.is_disk_full = is_disk_full


class KvFolder:
    """The disk tier. Names are digests, so that no caller's id becomes a path."""

    def __init__(self, folder: Path, *, fingerprint: str) -> None:
        self.folder = folder
        self._fingerprint = fingerprint
        folder.mkdir(parents=True, exist_ok=True)

    def name_of(self, variant_id: str, generation: int) -> str:
        """File name of a variant."""
        return hashlib.sha256(f"{generation}/{variant_id}".encode()).hexdigest() + _SUFFIX

    def write(self, variant: Variant, span: SpanKv) -> str:
        """Store; returns the name of the file. Raises CannotStoreError, and leaves nothing behind then."""
        name = self.name_of(variant.variant_id, variant.generation)
        label = self._label(variant)
        tensors = {"keys": span.keys.contiguous().cpu(), "values": span.values.contiguous().cpu()}
        metadata = {"variant": label, "sha256": _digest(label, tensors["keys"], tensors["values"])}
        aside = self.folder / f"{name}.new"
        try:
            aside.write_bytes(save(tensors, metadata))
            aside.replace(self.folder / name)
        except OSError as error:
            with suppress(OSError):  # what is left is an orphan, and goes with the next reconcile
                aside.unlink()
            is_full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            raise CannotStoreError(f"{name} cannot be written: {error}", is_disk_full=is_full) from error
        return name

    def read(self, variant: Variant) -> SpanKv:
        """Load by mapping. Raises CorruptFileError when the bytes are not those that were written."""
        name = self.name_of(variant.variant_id, variant.generation)
        try:
            with safe_open(str(self.folder / name), framework="pt") as opened:
                metadata = opened.metadata() or {}
                keys, values = opened.get_tensor("keys"), opened.get_tensor("values")
            actual = _digest(self._label(variant), keys, values)
            if actual != metadata.get("sha256"):
                raise CorruptFileError(f"{name} has SHA-256 {actual}, and {metadata.get('sha256')} was written")
            return SpanKv(keys, values)
        except (OSError, SafetensorError) as error:
            raise CorruptFileError(f"{name} cannot be read: {error}") from error

    def variants(self) -> Iterator[Variant]:
        """What an earlier process left for the same model. Tensors are checked when they are read."""
        for file in sorted(self.folder.glob(f"*{_SUFFIX}")):
            try:
                with safe_open(str(file), framework="pt") as opened:
                    label = json.loads((opened.metadata() or {})["variant"])
                if label.pop("fingerprint") != self._fingerprint:
                    continue
                variant = _variant_of(label)
            except (OSError, SafetensorError, ValueError, KeyError, TypeError):
                continue  # damaged, or of another kind: the caller removes what is not named here
            if self.name_of(variant.variant_id, variant.generation) == file.name:
                yield variant

    def remove(self, name: str) -> None:
        """Remove; no error when it is gone."""
        (self.folder / name).unlink(missing_ok=True)

    def remove_others(self, keep: set[str]) -> int:
        """Remove every file that is not in `keep`; returns how many."""
        others = [file for file in self.folder.iterdir() if file.is_file() and file.name not in keep]
        for file in others:
            os.unlink(file)
        return len(others)

    def _label(self, variant: Variant) -> str:
        fields = {key: value.hex() if isinstance(value, bytes) else value for key, value in asdict(variant).items()}
        return json.dumps({"fingerprint": self._fingerprint, **fields})


def _digest(label: str, *tensors: torch.Tensor) -> str:
    digest = hashlib.sha256(label.encode())
    for tensor in tensors:
        digest.update(tensor.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _variant_of(label: dict[str, object]) -> Variant:
    stats = label.pop("stats")
    if not isinstance(stats, dict):
        raise TypeError("stats")
    fields = dict(label)
    for name in ("token_digest", "prefix_digest"):
        fields[name] = bytes.fromhex(str(fields[name]))
    fields["prefix_chunk_ids"] = tuple(fields["prefix_chunk_ids"])  # type: ignore[arg-type]
    read = {key: tuple(value) if isinstance(value, list) else value for key, value in stats.items()}
    return Variant(**fields, stats=VariantStats(**read))  # type: ignore[arg-type]
