"""The order of vLLM's queues after a change of one request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def set_priority(request: Any, priority: int, queues: Iterable[Any]) -> None:
    """Change a request's priority, wherever it is. Modifies the request and the queue that holds it.

    A queue is a heap over the priorities of what it holds, so the request leaves it before the change. One that runs is
    in no queue: its priority counts when a victim of preemption is looked for.
    """
    queue = next((queue for queue in queues if any(held is request for held in queue)), None)
    if queue is not None:
        queue.remove_request(request)
    request.priority = priority
    if queue is not None:
        queue.add_request(request)
