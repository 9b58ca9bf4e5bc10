"""Messages of a call made by a thread of their own, so that a caller who does not read them holds up nobody else."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

Message = TypeVar("Message")
#: A caller that has not taken what is ready for so long is cut off.
_STALL_SECONDS = 60.0


class _End:
    """Nothing follows; what went wrong, if anything."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def relayed(
    make: Callable[[], Iterator[Message]], cut_off: Callable[[], object], *, stall_seconds: float = _STALL_SECONDS
) -> Iterator[Message]:
    """What `make` yields, and what it raises.

    As many messages wait as there are: an answer is bounded by the model's context. `make` ends by itself when its
    caller is gone. `cut_off` is called when the caller has not taken everything `stall_seconds` after the end of it.
    """
    ready: queue.SimpleQueue[Message | _End] = queue.SimpleQueue()
    timer = threading.Timer(stall_seconds, cut_off)
    timer.daemon = True

    def run() -> None:
        error: BaseException | None = None
        try:
            for message in make():
                ready.put(message)
        except BaseException as raised:  # it is raised where the messages are taken
            error = raised
        timer.start()
        ready.put(_End(error))

    threading.Thread(target=run, name="holdfast-chunks-run", daemon=True).start()
    try:
        while not isinstance(message := ready.get(), _End):
            yield message
    finally:
        timer.cancel()
    if message.error is not None:
        raise message.error
