"""Errors on the wire: a gRPC status with a `google.rpc.Status` in its binary trailer."""

from __future__ import annotations

from typing import NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from holdfast_vllm.errors import FieldError, HoldfastError, Reason

DOMAIN = "holdfast"
TRAILER = "grpc-status-details-bin"

_CODES = {
    Reason.FIELD_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.PIN_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.PIN_CAP_REACHED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.KV_NOT_RESIDENT: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.EPOCH_STALE: grpc.StatusCode.ABORTED,
    Reason.QUEUE_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.DRAINING: grpc.StatusCode.UNAVAILABLE,
    Reason.ENGINE_CAPABILITY_MISSING: grpc.StatusCode.FAILED_PRECONDITION,
}


def status_details(error: HoldfastError) -> bytes:
    """The value of the trailer. Pure."""
    info = error_details_pb2.ErrorInfo(reason=error.reason.value, domain=DOMAIN, metadata=error.metadata)
    details = [_packed(info)]
    if isinstance(error, FieldError):
        request = error_details_pb2.BadRequest()
        for field, what in error.violations:
            request.field_violations.add(field=field, description=what)
        details.append(_packed(request))
    code = status_code(error).value[0]
    return bytes(status_pb2.Status(code=code, message=error.message, details=details).SerializeToString())


def status_code(error: HoldfastError) -> grpc.StatusCode:
    """The code that a call ends with. Pure."""
    return _CODES[error.reason]


def abort(context: grpc.ServicerContext, error: HoldfastError) -> NoReturn:
    """End the call with the error."""
    context.set_trailing_metadata(((TRAILER, status_details(error)),))
    context.abort(status_code(error), error.message)
    raise AssertionError("abort returned")


def _packed(message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
