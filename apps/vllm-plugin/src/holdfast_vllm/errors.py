"""Errors that a caller of KvControl or of a request stream can act on."""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """Why a call failed: a name of `holdfast.errors.v1.Reason`, without its prefix."""

    FIELD_INVALID = "FIELD_INVALID"
    PIN_NOT_FOUND = "PIN_NOT_FOUND"
    PIN_CAP_REACHED = "PIN_CAP_REACHED"
    KV_NOT_RESIDENT = "KV_NOT_RESIDENT"
    EPOCH_STALE = "EPOCH_STALE"
    QUEUE_FULL = "QUEUE_FULL"
    DRAINING = "DRAINING"
    ENGINE_CAPABILITY_MISSING = "ENGINE_CAPABILITY_MISSING"


class HoldfastError(Exception):
    """A call that cannot be carried out; the message names the field, the value and what is allowed."""

    def __init__(self, reason: Reason, message: str, metadata: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata = metadata or {}


class FieldError(HoldfastError):
    """Malformed fields of a request, as pairs of a field and what is wrong with it."""

    def __init__(self, violations: list[tuple[str, str]]) -> None:
        super().__init__(Reason.FIELD_INVALID, "; ".join(f"{field} {what}" for field, what in violations))
        self.violations = violations
