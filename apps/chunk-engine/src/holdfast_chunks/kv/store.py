"""The variants of this engine: a memory tier over a disk tier. The control plane decides; bounds are kept by LRU."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum

import torch

from holdfast_chunks.kv.events import EventLog
from holdfast_chunks.kv.files import CannotStoreError, CorruptFileError, KvFolder
from holdfast_chunks.kv.variant import SpanKv, Variant

#: A tier that is fuller than this share is reported.
_PRESSURE = 0.9
NEVER = float("inf")


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
    span: SpanKv | None
    pinned_until: float = 0.0  # of the monotonic clock, seconds


@dataclass(frozen=True)
class Loaded:
    """KV of a variant and where it was."""

    variant: Variant
    span: SpanKv
    was_in_memory: bool


@dataclass(frozen=True)
class Residency:
    """A variant and where it is."""

    variant: Variant
    is_in_memory: bool
    is_pinned: bool


class VariantStore:
    """Thread-safe. A variant always has a file; memory holds copies of those that were used last."""

    def __init__(
        self, files: KvFolder, *, memory_bytes: int, disk_bytes: int, device: torch.device | None = None
    ) -> None:
        self._files = files
        self._device = device or torch.device("cpu")
        self.memory_bytes, self.disk_bytes = memory_bytes, disk_bytes
        self.events = EventLog()
        self.changed = threading.Condition(threading.RLock())
        self.corrupt_count = 0
        self._is_pressed = {"MEMORY": False, "DISK": False}
        # In order of use, the oldest first.
        self._held = {
            item.variant_id: _Held(item, self._files.name_of(item.variant_id, item.generation), None)
            for item in sorted(files.variants(), key=lambda item: item.generation)
        }
        # One count for all names: a map of every name that ever was would grow without a bound.
        self._generation = max((held.variant.generation for held in self._held.values()), default=0)
        files.remove_others({held.file for held in self._held.values()})

    def put(self, variant: Variant, span: SpanKv) -> Variant:
        """Store under the next generation; an older one of its name is replaced. Modifies state.

        Raises CannotStoreError; an older one is still there then.
        """
        with self.changed:
            self._generation += 1
            stored = replace(variant, generation=self._generation, byte_count=span.byte_count)
            name = self._write(stored, span)
            old = self._held.pop(stored.variant_id, None)
            if old is not None:
                self._files.remove(old.file)
            self._held[stored.variant_id] = _Held(stored, name, span)
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
            was_in_memory = held.span is not None
            span = self._into_memory(held)
            return Miss.CORRUPT if span is None else Loaded(held.variant, span, was_in_memory)

    def find(self, variant_id: str) -> Residency | None:
        """A variant by name."""
        with self.changed:
            held = self._held.get(variant_id)
            return None if held is None else _residency(held)

    def copy_to_memory(self, variant_id: str) -> bool:
        """Read the file into memory; false when the variant is not there or damaged. Modifies state."""
        with self.changed:
            held = self._held.get(variant_id)
            return held is not None and self._into_memory(held) is not None

    def drop_from_memory(self, variant_id: str) -> bool:
        """Keep only the file. Modifies state."""
        with self.changed:
            held = self._held.get(variant_id)
            if held is None:
                return False
            if held.span is not None:
                held.span = None
                self._note("DEMOTED", held.variant, tier="MEMORY")
            return True

    def pin(self, variant_id: str, *, lease_seconds: float) -> bool:
        """Keep from eviction for a time (NEVER: for good; 0: let go). Modifies state."""
        with self.changed:
            held = self._held.get(variant_id)
            if held is None:
                return False
            held.pinned_until = time.monotonic() + lease_seconds if lease_seconds else 0.0
            return True

    def end_pins(self) -> None:
        """Let go what was pinned for a time that is over. Modifies state."""
        with self.changed:
            for held in self._held.values():
                if 0 < held.pinned_until <= time.monotonic():
                    held.pinned_until = 0.0
                    self._note("PIN_EXPIRED", held.variant)

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

    def list(self) -> list[Residency]:
        """Every variant, by name."""
        with self.changed:
            held = sorted(self._held.values(), key=lambda item: item.variant.variant_id)
            return [_residency(item) for item in held]

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

    def _into_memory(self, held: _Held) -> SpanKv | None:
        if held.span is not None:
            return held.span
        try:
            span = self._files.read(held.variant)
        except CorruptFileError as error:
            self.corrupt_count += 1
            self._forget(held, "LOAD_FAILED", str(error))
            return None
        # A copy: what was checked must not change with the file that it was mapped from.
        held.span = SpanKv(span.keys.to(self._device, copy=True), span.values.to(self._device, copy=True))
        self._note("LOADED", held.variant, tier="MEMORY")
        self._keep_bounds()
        return held.span or span

    def _write(self, variant: Variant, span: SpanKv) -> str:
        """Write the file. A disk may have less room than its bound says: what was used longest ago leaves then.

        Not more than twice what is needed: when that is not enough, it is others who fill the disk.
        """
        freed = 0
        while True:
            try:
                return self._files.write(variant, span)
            except CannotStoreError as error:
                others = (held for name, held in self._held.items() if name != variant.variant_id)
                oldest = next((held for held in others if not _is_pinned(held)), None)
                if not error.is_disk_full or oldest is None or freed >= 2 * span.byte_count:
                    raise
                freed += oldest.variant.byte_count
                self._forget(oldest, "EVICTED", "the disk has no room")

    def _keep_bounds(self) -> None:
        memory, disk = self.bytes_used()
        for held in [held for held in self._held.values() if not _is_pinned(held)]:
            if disk <= self.disk_bytes:
                break
            memory -= held.variant.byte_count if held.span is not None else 0
            disk -= held.variant.byte_count
            self._forget(held, "EVICTED", "the disk tier is full")
        # A pin keeps a variant, not its copy in memory: those that are pinned may be more than memory holds.
        for held in sorted(self._held.values(), key=_is_pinned):
            if memory <= self.memory_bytes:
                break
            memory -= held.variant.byte_count if held.span is not None else 0
            self.drop_from_memory(held.variant.variant_id)
        self._note_pressure("MEMORY", memory, self.memory_bytes)
        self._note_pressure("DISK", disk, self.disk_bytes)

    def _note_pressure(self, tier: str, used: int, total: int) -> None:
        """An event when a tier becomes nearly full, not one for every variant after that."""
        is_pressed = used > _PRESSURE * total
        if is_pressed and not self._is_pressed[tier]:
            self.events.add("PRESSURE", tier=tier, bytes_used=used)
            self.changed.notify_all()
        self._is_pressed[tier] = is_pressed

    def _forget(self, held: _Held, kind: str, detail: str) -> None:
        self._held.pop(held.variant.variant_id, None)
        self._files.remove(held.file)
        self._note(kind, held.variant, detail)

    def _note(self, kind: str, variant: Variant, detail: str = "", tier: str = "") -> None:
        self.events.add(kind, variant_id=variant.variant_id, generation=variant.generation, detail=detail, tier=tier)
        self.changed.notify_all()


def _is_pinned(held: _Held) -> bool:
    return held.pinned_until > time.monotonic()


def _residency(held: _Held) -> Residency:
    return Residency(held.variant, held.span is not None, _is_pinned(held))


def _mismatch(held: _Held | None, *, generation: int, salt: str, digest: bytes) -> Miss | None:
    if held is None:
        return Miss.ABSENT
    variant = held.variant
    if variant.salt != salt:
        return Miss.SALT
    if generation not in (0, variant.generation):
        return Miss.GENERATION
    return None if variant.token_digest == digest else Miss.TOKENS
