"""The variants of this engine: a memory tier over a disk tier. The control plane decides; bounds are kept by LRU."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum

from holdfast_chunks.kv.events import EventLog
from holdfast_chunks.kv.files import CorruptFileError, KvFolder
from holdfast_chunks.kv.variant import SpanKv, Variant


class Miss(Enum):
    """Names of holdfast.chunk.v1.MissReason."""

    ABSENT = "ABSENT"
    GENERATION = "GENERATION"
    TOKENS = "TOKENS"
    SALT = "SALT"
    CORRUPT = "CORRUPT"
    NOT_PREFIX = "NOT_PREFIX"
    LOAD_LIMIT = "LOAD_LIMIT"


@dataclass
class _Held:
    variant: Variant
    file: str
    file_digest: str
    span: SpanKv | None
    is_pinned: bool = False


@dataclass(frozen=True)
class Loaded:
    """KV of a variant and where it was."""

    variant: Variant
    span: SpanKv
    was_in_memory: bool


class VariantStore:
    """Thread-safe. A variant always has a file; memory holds copies of those that were used last."""

    def __init__(self, files: KvFolder, *, memory_bytes: int, disk_bytes: int) -> None:
        self._files = files
        self._bounds = (memory_bytes, disk_bytes)
        self._held: dict[str, _Held] = {}  # in order of use, the oldest first
        self._generations: dict[str, int] = {}
        self.events = EventLog()
        self.changed = threading.Condition(threading.RLock())
        self.corrupt_count = 0
        # Names and statistics live in memory and in the control plane; what an earlier process left has no name.
        files.remove_others(set())

    def put(self, variant: Variant, span: SpanKv) -> Variant:
        """Store as the next generation of its name; an older one is replaced. Modifies state."""
        with self.changed:
            old = self._held.pop(variant.variant_id, None)
            generation = self._generations.get(variant.variant_id, 0) + 1
            self._generations[variant.variant_id] = generation
            stored = replace(variant, generation=generation, byte_count=span.byte_count)
            name = self._files.name_of(stored.variant_id, generation)
            digest = self._files.write(name, span)
            if old is not None:
                self._files.remove(old.file)
            self._held[stored.variant_id] = _Held(stored, name, digest, span)
            self._note("STORED", stored)
            self._keep_bounds()
            return stored

    def load(self, variant_id: str, *, generation: int, salt: str, digest: bytes) -> Loaded | Miss:
        """KV of a variant, or why it cannot be used. Generation 0 means any. Modifies state."""
        with self.changed:
            held = self._held.get(variant_id)
            miss = _mismatch(held, generation=generation, salt=salt, digest=digest)
            if held is None or miss is not None:
                return miss or Miss.ABSENT
            self._held[variant_id] = self._held.pop(variant_id)
            if held.span is not None:
                return Loaded(held.variant, held.span, was_in_memory=True)
            try:
                span = self._files.read(held.file, held.file_digest)
            except CorruptFileError as error:
                self.corrupt_count += 1
                self._forget(held, "LOAD_FAILED", str(error))
                return Miss.CORRUPT
            held.span = span
            self._note("LOADED", held.variant)
            self._keep_bounds()
            return Loaded(held.variant, span, was_in_memory=False)

    def drop_from_memory(self, variant_id: str) -> bool:
        """Keep only the file. Modifies state."""
        with self.changed:
            held = self._held.get(variant_id)
            if held is None:
                return False
            if held.span is not None:
                held.span = None
                self._note("DEMOTED", held.variant)
            return True

    def pin(self, variant_id: str, *, is_pinned: bool) -> bool:
        """Keep from eviction, or let go. Modifies state."""
        with self.changed:
            held = self._held.get(variant_id)
            if held is None:
                return False
            held.is_pinned = is_pinned
            return True

    def evict_where(self, chosen: Callable[[Variant], bool], detail: str) -> list[str]:
        """Throw away; returns the names. Modifies state."""
        with self.changed:
            gone = [held for held in self._held.values() if chosen(held.variant)]
            for held in gone:
                self._forget(held, "EVICTED", detail)
            return [held.variant.variant_id for held in gone]

    def reconcile(self, known: Iterable[tuple[str, int]]) -> tuple[list[str], list[str], int]:
        """Missing names, dropped names and removed orphan files. Modifies state."""
        with self.changed:
            wanted = dict(known)
            dropped = self.evict_where(
                lambda variant: wanted.get(variant.variant_id) != variant.generation, "not in the registry"
            )
            missing = [name for name in wanted if name not in self._held]
            orphans = self._files.remove_others({held.file for held in self._held.values()})
            return missing, dropped, orphans

    def list(self) -> list[tuple[Variant, bool, bool]]:
        """Every variant with (in memory, pinned), by name."""
        with self.changed:
            held = sorted(self._held.values(), key=lambda item: item.variant.variant_id)
            return [(item.variant, item.span is not None, item.is_pinned) for item in held]

    def bytes_used(self) -> tuple[int, int]:
        """Bytes in memory and on disk."""
        with self.changed:
            memory = sum(held.variant.byte_count for held in self._held.values() if held.span is not None)
            return memory, sum(held.variant.byte_count for held in self._held.values())

    def note_executed(self, request_id: str) -> None:
        """Log that a request ran. Modifies state."""
        with self.changed:
            self.events.add("EXECUTED", request_id=request_id)
            self.changed.notify_all()

    def _keep_bounds(self) -> None:
        memory, disk = self.bytes_used()
        for held in list(self._held.values()):
            if memory <= self._bounds[0] and disk <= self._bounds[1]:
                return
            if held.is_pinned:
                continue
            memory -= held.variant.byte_count if held.span is not None else 0
            if disk > self._bounds[1]:
                disk -= held.variant.byte_count
                self._forget(held, "EVICTED", "the disk tier is full")
            else:
                self.drop_from_memory(held.variant.variant_id)

    def _forget(self, held: _Held, kind: str, detail: str) -> None:
        self._held.pop(held.variant.variant_id, None)
        self._files.remove(held.file)
        self._note(kind, held.variant, detail)

    def _note(self, kind: str, variant: Variant, detail: str = "") -> None:
        self.events.add(kind, variant_id=variant.variant_id, generation=variant.generation, detail=detail)
        self.changed.notify_all()


def _mismatch(held: _Held | None, *, generation: int, salt: str, digest: bytes) -> Miss | None:
    if held is None:
        return Miss.ABSENT
    variant = held.variant
    if variant.salt != salt:
        return Miss.SALT
    if generation not in (0, variant.generation):
        return Miss.GENERATION
    return None if variant.token_digest == digest else Miss.TOKENS
