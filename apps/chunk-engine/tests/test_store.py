"""The tiers by themselves: bounds, and a disk that does not take files."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from holdfast_chunks.kv.files import CannotStoreError, KvFolder
from holdfast_chunks.kv.store import NEVER, Loaded, VariantStore
from holdfast_chunks.kv.variant import SpanKv, Variant

_SPAN = SpanKv(torch.ones((2, 1, 4, 8)), torch.ones((2, 1, 4, 8)))
_ONE = _SPAN.byte_count
_NAMED = Variant(
    variant_id="",
    generation=0,
    chunk_id="c",
    prefix_chunk_ids=(),
    salt="",
    source="s",
    source_version="1",
    token_digest=b"d",
    token_count=4,
    built_at=0,
    prefix_digest=b"",
    is_canonical=True,
    byte_count=0,
)


def _store(folder: Path, *, memory: int, disk: int) -> VariantStore:
    return VariantStore(KvFolder(folder, fingerprint="f"), memory_bytes=memory * _ONE, disk_bytes=disk * _ONE)


def _put(store: VariantStore, name: str) -> Variant:
    return store.put(replace(_NAMED, variant_id=name), _SPAN)


def _load(store: VariantStore, name: str) -> bool:
    return isinstance(store.load(name, generation=0, salt="", digest=b"d"), Loaded)


def _names(store: VariantStore) -> list[str]:
    return [item.variant.variant_id for item in store.list()]


def _next_aside(folder: Path, name: str, generation: int) -> Path:
    return folder / f"{KvFolder(folder, fingerprint='f').name_of(name, generation)}.new"


def test_no_tier_ever_holds_more_than_its_bound_whatever_is_pinned_and_used(tmp_path: Path) -> None:
    store, drawn = _store(tmp_path, memory=3, disk=7), random.Random(5)  # noqa: S311
    for _ in range(400):
        name = str(drawn.randrange(12))
        action = drawn.choice(["put", "load", "copy", "pin", "unpin", "drop"])
        if action == "put":
            _put(store, name)
        elif action == "load":
            _load(store, name)
        elif action == "copy":
            store.copy_to_memory(name)
        elif action == "drop":
            store.drop_from_memory(name)
        else:
            store.pin(name, lease_seconds=NEVER if action == "pin" else 0.0)
        memory, disk = store.bytes_used()
        assert memory <= 3 * _ONE
        assert disk <= 7 * _ONE
        assert len(list(tmp_path.iterdir())) == disk / _ONE
    kinds = {event.kind for event in store.events.since(0)[0]}
    assert {"STORED", "LOADED", "DEMOTED", "EVICTED"} <= kinds


def test_what_is_pinned_can_be_used_though_memory_holds_less_than_is_pinned(tmp_path: Path) -> None:
    store = _store(tmp_path, memory=1, disk=4)
    for name in "abc":
        _put(store, name)
        store.pin(name, lease_seconds=NEVER)
    assert [_load(store, name) for name in "abc"] == [True] * 3
    assert store.bytes_used() == (_ONE, 3 * _ONE)


def test_a_full_disk_makes_room_by_what_was_used_longest_ago(tmp_path: Path) -> None:
    store = _store(tmp_path, memory=9, disk=9)
    for name in "abc":
        _put(store, name)
    _load(store, "a")
    # Whatever is written there, the kernel answers that the device has no room.
    _next_aside(tmp_path, "d", 4).symlink_to("/dev/full")
    assert _put(store, "d").generation == 4
    assert _names(store) == ["a", "c", "d"]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_disk_that_others_fill_costs_two_variants_and_not_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _store(tmp_path, memory=9, disk=9)
    for name in "abcdef":
        _put(store, name)
    unlink = Path.unlink

    def unlink_but_never_empty(path: Path, missing_ok: bool = False) -> None:
        if path.suffix != ".new":
            unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink_but_never_empty)
    _next_aside(tmp_path, "b", 7).symlink_to("/dev/full")
    with pytest.raises(CannotStoreError, match="No space left on device"):
        _put(store, "b")
    assert _names(store) == ["b", "d", "e", "f"]


def test_a_variant_that_cannot_be_replaced_is_still_there(tmp_path: Path) -> None:
    store = _store(tmp_path, memory=9, disk=9)
    _put(store, "a")
    _next_aside(tmp_path, "a", 2).mkdir()
    with pytest.raises(CannotStoreError, match="Is a directory"):
        _put(store, "a")
    assert _load(store, "a")
    assert _put(store, "a").generation == 3
