"""What `Generate` of vLLM's servicer is given in place of the context of a gRPC call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import grpc

from holdfast_vllm._generated.request_stream_service_pb2 import CallEnd, StartAction
from holdfast_vllm.control.status import TRAILER

_Metadata = Iterable[tuple[str, str | bytes]]


class CallAbortedError(Exception):
    """`Generate` ended its call with an error."""

    def __init__(self, end: CallEnd) -> None:
        super().__init__(end.message)
        self.end = end


class CallContext:
    """The two methods of a `grpc.aio.ServicerContext` that `Generate` uses."""

    def __init__(self, start: StartAction) -> None:
        trace = (("traceparent", start.traceparent), ("tracestate", start.tracestate))
        self._metadata = tuple((key, value) for key, value in trace if value)
        self._aborted: CallAbortedError | None = None

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """The trace context, as the metadata of `Generate` carries it."""
        return self._metadata

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: _Metadata = ()) -> NoReturn:
        """End the call. Always raises; as with gRPC, the first error stays."""
        if self._aborted is None:
            trailer = dict(trailing_metadata).get(TRAILER, b"")
            end = CallEnd(code=code.value[0], message=details, details=trailer if isinstance(trailer, bytes) else b"")
            self._aborted = CallAbortedError(end)
        raise self._aborted
