"""Answers of mutating calls by op_id, so that a call that is sent twice has one effect."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar, cast

from google.protobuf.message import Message

from holdfast_chunks.errors import ChunkEngineError, Reason, field_invalid

_KEPT = 4_096

Answer = TypeVar("Answer", bound=Message)


class Operations:
    """The last operations. One at a time: a second call with the same op_id waits for the first."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, tuple[bytes, Message]] = OrderedDict()
        self._lock = threading.RLock()

    def once(self, request: Message, op_id: str, run: Callable[[], Answer]) -> Answer:
        """The first answer for this op_id. Raises REQUEST_ID_REUSED when it came with another request."""
        if not op_id:
            raise field_invalid("op_id", op_id, "a name of the operation")
        content = request.SerializeToString(deterministic=True)
        with self._lock:
            if op_id in self._answers:
                first, answer = self._answers[op_id]
                if first != content:
                    raise ChunkEngineError(
                        Reason.REQUEST_ID_REUSED, f"op_id {op_id!r} was sent before with another request"
                    )
                return cast(Answer, answer)
            fresh = run()
            self._answers[op_id] = (content, fresh)
            if len(self._answers) > _KEPT:
                self._answers.popitem(last=False)
            return fresh
