"""What is remembered of calls."""

from __future__ import annotations

import threading

import pytest

from holdfast_chunks._generated import chunk_engine_service_pb2 as service
from holdfast_chunks.errors import ChunkEngineError
from holdfast_chunks.service.operations import Operations

REQUEST = service.InvalidateRequest(source="s")


def _run(operations: Operations, op_id: str, names: int = 1) -> bool:
    """Returns whether it was carried out."""
    ran: list[bool] = []

    def run() -> service.InvalidateResponse:
        ran.append(True)
        return service.InvalidateResponse(variant_ids=["v"] * names)

    operations.once(REQUEST, op_id, run)
    return bool(ran)


def test_the_last_calls_are_remembered_by_number_and_by_size() -> None:
    few = Operations(kept=2)
    assert [_run(few, op_id) for op_id in "abbcbcab"] == [True, True, False, True, False, False, True, True]
    small = Operations(kept_bytes=100)
    assert [_run(small, op_id, 30) for op_id in ("a", "a", "b", "b", "a")] == [True, False, True, False, True]


def test_a_call_that_failed_may_be_tried_again() -> None:
    operations = Operations()

    def fail() -> service.InvalidateResponse:
        raise LookupError("no")

    with pytest.raises(LookupError):
        operations.once(REQUEST, "a", fail)
    assert _run(operations, "a")


def test_a_call_that_is_sent_again_while_it_runs_has_the_answer_of_the_first() -> None:
    operations, may_end, answers = Operations(), threading.Event(), []

    def run() -> service.InvalidateResponse:
        assert may_end.wait(30)
        return service.InvalidateResponse(epoch="e")

    def never() -> service.InvalidateResponse:
        raise AssertionError("it ran twice")

    first = threading.Thread(target=lambda: answers.append(operations.once(REQUEST, "a", run)))
    first.start()
    while "a" not in operations._operations:
        pass
    second = threading.Thread(target=lambda: answers.append(operations.once(REQUEST, "a", never)))
    second.start()
    may_end.set()
    first.join(30)
    second.join(30)
    assert [answer.epoch for answer in answers] == ["e", "e"]
    with pytest.raises(ChunkEngineError, match="another request"):
        operations.once(service.InvalidateRequest(source="t"), "a", never)
