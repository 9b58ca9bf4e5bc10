"""A block pool in memory, with the rules of vLLM's: reference counts, and least recently freed blocks evicted first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class FakeStore:
    """Implements BlockStore."""

    def __init__(self, total_blocks: int) -> None:
        self.total_blocks = total_blocks
        self._references = [0] * total_blocks
        self._keys: list[bytes | None] = [None] * total_blocks
        self._free = list(range(total_blocks))

    @property
    def free_blocks(self) -> int:
        return len(self._free)

    def references(self, block: int) -> int:
        return self._references[block]

    def reference_counts(self, blocks: Iterable[int]) -> list[int]:
        return [self._references[block] for block in blocks]

    def hold(self, blocks: Sequence[int]) -> None:
        for block in blocks:
            if self._references[block] == 0:
                self._free.remove(block)
            self._references[block] += 1

    def give_back(self, blocks: Sequence[int]) -> None:
        for block in reversed(blocks):
            assert self._references[block] > 0, f"block {block} was given back too often"
            self._references[block] -= 1
            if self._references[block] == 0:
                self._free.append(block)

    def resident_prefix(self, keys: Sequence[bytes]) -> list[int]:
        found: list[int] = []
        for key in keys:
            if key not in self._keys:
                break
            found.append(self._keys.index(key))
        return found

    def allocate(self, keys: Sequence[bytes]) -> list[int]:
        """Blocks for a request, evicting what was freed longest ago."""
        assert len(keys) <= self.free_blocks
        blocks = [self._free.pop(0) for _ in keys]
        for block, key in zip(blocks, keys, strict=True):
            self._keys[block] = key
            self._references[block] = 1
        return blocks


def keys_of(program_id: str, count: int) -> list[bytes]:
    """Block keys of a program that no other program shares."""
    return [f"{program_id}/{index}".encode() for index in range(count)]
