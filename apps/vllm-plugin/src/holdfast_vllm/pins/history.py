"""What each program's last finished turn left behind, so that a pin can be set later."""

from __future__ import annotations

from collections.abc import Sequence


class ProgramHistory:
    """The block keys of each program's last finished turn. Bounded: the programs of longest ago are forgotten."""

    def __init__(self, max_keys: int) -> None:
        self._max_keys = max_keys
        self._chains: dict[str, tuple[bytes, ...]] = {}
        self._key_count = 0

    def __len__(self) -> int:
        return len(self._chains)

    def keys_of(self, program_id: str) -> tuple[bytes, ...]:
        """Keys of the full blocks of the program's last finished turn; empty when it is unknown. Pure."""
        return self._chains.get(program_id, ())

    def remember(self, program_id: str, keys: Sequence[bytes]) -> None:
        """Note a finished turn."""
        self.forget(program_id)
        self._chains[program_id] = tuple(keys)
        # One more for the entry itself, so that programs without a full block are bounded, too.
        self._key_count += len(keys) + 1
        while self._key_count > self._max_keys and len(self._chains) > 1:
            self.forget(next(iter(self._chains)))

    def forget(self, program_id: str) -> None:
        """Drop a program."""
        chain = self._chains.pop(program_id, None)
        if chain is not None:
            self._key_count -= len(chain) + 1

    def clear(self) -> None:
        """Drop all."""
        self._chains.clear()
        self._key_count = 0
