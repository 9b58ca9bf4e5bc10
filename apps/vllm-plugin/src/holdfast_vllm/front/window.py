"""How many answers a request may still send."""

from __future__ import annotations

import asyncio


class Window:
    """A count that one task takes from, and waits for while there is nothing left. Belongs to one event loop."""

    def __init__(self, responses: int) -> None:
        self._left = responses
        self._granted = asyncio.Event()

    async def take(self) -> None:
        """Take one, as soon as there is one."""
        while self._left == 0:
            self._granted.clear()
            await self._granted.wait()
        self._left -= 1

    def grant(self, responses: int) -> None:
        """Add to it. Adding nothing changes nothing."""
        self._left += responses
        self._granted.set()
