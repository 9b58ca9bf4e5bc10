"""What tests of streams ask about errors, and how they run."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from tests.unit.streaming import Caller, run


def asynchronous(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def synchronous(*args: Any, **kwargs: Any) -> None:
        run(lambda: test(*args, **kwargs))

    return synchronous


def reason_of(details: bytes) -> tuple[int, str, list[str]]:
    """Code, reason and fields of a serialized status."""
    status = status_pb2.Status.FromString(details)
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    for detail in status.details[1:]:
        assert detail.Unpack(request)
    return status.code, info.reason, [violation.field for violation in request.field_violations]


async def failure(caller: Caller) -> tuple[grpc.StatusCode, str, bytes]:
    """Code, message and details that the stream fails with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await caller.rest()
    trailers = dict(caught.value.trailing_metadata())
    return caught.value.code(), caught.value.details() or "", bytes(trailers["grpc-status-details-bin"])
