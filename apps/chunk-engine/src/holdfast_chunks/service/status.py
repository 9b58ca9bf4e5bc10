"""Errors on the wire: a gRPC status with a `google.rpc.Status` in its binary trailer."""

from __future__ import annotations

from typing import NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from holdfast_chunks.errors import ChunkEngineError, Reason

_DOMAIN = "holdfast"
_TRAILER = "grpc-status-details-bin"

_CODES = {
    Reason.FIELD_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.PROMPT_EMPTY: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.PROMPT_TOO_LONG: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.TOKEN_OUT_OF_VOCABULARY: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.REQUEST_ID_REUSED: grpc.StatusCode.ALREADY_EXISTS,
    Reason.KV_NOT_RESIDENT: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.EPOCH_STALE: grpc.StatusCode.ABORTED,
    Reason.ENGINE_CAPABILITY_MISSING: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.ENGINE_DEADLINE: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.CALLER_CANCELLED: grpc.StatusCode.CANCELLED,
    Reason.QUEUE_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.STORAGE_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
}


def abort(context: grpc.ServicerContext, error: ChunkEngineError) -> NoReturn:
    """End the call with the error."""
    info = AnyMessage()
    info.Pack(error_details_pb2.ErrorInfo(reason=error.reason.value, domain=_DOMAIN))
    code = _CODES[error.reason]
    details = status_pb2.Status(code=code.value[0], message=str(error), details=[info])
    context.set_trailing_metadata(((_TRAILER, details.SerializeToString()),))
    context.abort(code, str(error))
    raise AssertionError("abort returned")
