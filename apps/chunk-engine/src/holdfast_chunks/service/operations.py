"""Answers of mutating calls by op_id, so that a call that is sent twice has one effect."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar, cast

from google.protobuf.message import Message

from holdfast_chunks.errors import ChunkEngineError, Reason, field_invalid

_KEPT = 4_096
_WAIT_SECONDS = 600

Answer = TypeVar("Answer", bound=Message)


class Operations:
    """The last operations. Different ones run beside each other; a call that is sent twice waits for its first one."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, tuple[bytes, Future[Message]]] = OrderedDict()
        self._lock = threading.Lock()

    def once(self, request: Message, op_id: str, run: Callable[[], Answer]) -> Answer:
        """The answer of the first call with this op_id. One that failed is forgotten, and may be tried again.

        Raises REQUEST_ID_REUSED when the op_id came with another request.
        """
        if not op_id:
            raise field_invalid("op_id", op_id, "a name of the operation")
        content = request.SerializeToString(deterministic=True)
        with self._lock:
            known = self._answers.get(op_id)
            if known is None:
                mine: Future[Message] = Future()
                self._answers[op_id] = (content, mine)
                if len(self._answers) > _KEPT:
                    self._answers.popitem(last=False)
        if known is not None:
            if known[0] != content:
                raise ChunkEngineError(
                    Reason.REQUEST_ID_REUSED, f"op_id {op_id!r} was sent before with another request"
                )
            try:
                return cast(Answer, known[1].result(_WAIT_SECONDS))
            except TimeoutError as error:
                message = f"op_id {op_id!r} was sent before and still runs after {_WAIT_SECONDS} s"
                raise ChunkEngineError(Reason.ENGINE_DEADLINE, message) from error
        try:
            answer = run()
        except BaseException as error:
            with self._lock:
                self._answers.pop(op_id, None)
            mine.set_exception(error)
            raise
        mine.set_result(answer)
        return answer
