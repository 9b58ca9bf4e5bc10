"""Answers of mutating calls by op_id, so that a call that is sent twice has one effect."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar, cast

from google.protobuf.message import Message

from holdfast_chunks.errors import ChunkEngineError, Reason, field_invalid

_KEPT = 4_096
_KEPT_BYTES = 64 << 20
_WAIT_SECONDS = 600

Answer = TypeVar("Answer", bound=Message)


@dataclass
class _Operation:
    """A call that runs or has run; its request is known by digest, since requests may be large."""

    digest: bytes
    answer: Future[Message] = field(default_factory=Future)
    byte_count: int | None = None  # of the answer, once it is there


class Operations:
    """The last operations. Different ones run beside each other; a call that is sent twice waits for its first one."""

    def __init__(self, *, kept: int = _KEPT, kept_bytes: int = _KEPT_BYTES) -> None:
        self._kept, self._kept_bytes = kept, kept_bytes
        self._operations: OrderedDict[str, _Operation] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def once(self, request: Message, op_id: str, run: Callable[[], Answer]) -> Answer:
        """The answer of the first call with this op_id. One that failed is forgotten, and may be tried again.

        Raises REQUEST_ID_REUSED when the op_id came with another request.
        """
        if not op_id:
            raise field_invalid("op_id", op_id, "a name of the operation")
        digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
        with self._lock:
            known = self._operations.get(op_id)
            if known is None:
                mine = self._operations[op_id] = _Operation(digest)
        if known is not None:
            return cast(Answer, _answer_of(known, op_id, digest))
        try:
            answer = run()
        except BaseException as error:
            with self._lock:
                self._operations.pop(op_id, None)
            mine.answer.set_exception(error)
            raise
        with self._lock:
            mine.byte_count = answer.ByteSize()
            self._bytes += mine.byte_count
            self._forget_oldest()
        mine.answer.set_result(answer)
        return answer

    def _forget_oldest(self) -> None:
        """Keep the bounds. What still runs has no answer yet, and stays."""
        finished = [op_id for op_id, operation in self._operations.items() if operation.byte_count is not None]
        for op_id in finished:
            if len(self._operations) <= self._kept and self._bytes <= self._kept_bytes:
                return
            self._bytes -= self._operations.pop(op_id).byte_count or 0


def _answer_of(known: _Operation, op_id: str, digest: bytes) -> Message:
    if known.digest != digest:
        raise ChunkEngineError(Reason.REQUEST_ID_REUSED, f"op_id {op_id!r} was sent before with another request")
    try:
        return known.answer.result(_WAIT_SECONDS)
    except TimeoutError as error:
        message = f"op_id {op_id!r} was sent before and still runs after {_WAIT_SECONDS} s"
        raise ChunkEngineError(Reason.ENGINE_DEADLINE, message) from error
