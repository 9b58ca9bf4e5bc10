"""Errors that a caller can act on."""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """Names of holdfast.errors.v1.Reason that this engine answers with."""

    FIELD_INVALID = "FIELD_INVALID"
    PROMPT_EMPTY = "PROMPT_EMPTY"
    PROMPT_TOO_LONG = "PROMPT_TOO_LONG"
    TOKEN_OUT_OF_VOCABULARY = "TOKEN_OUT_OF_VOCABULARY"  # noqa: S105 - not a password
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    KV_NOT_RESIDENT = "KV_NOT_RESIDENT"
    EPOCH_STALE = "EPOCH_STALE"
    ENGINE_CAPABILITY_MISSING = "ENGINE_CAPABILITY_MISSING"
    ENGINE_DEADLINE = "ENGINE_DEADLINE"
    CALLER_CANCELLED = "CALLER_CANCELLED"
    QUEUE_FULL = "QUEUE_FULL"
    STORAGE_UNAVAILABLE = "STORAGE_UNAVAILABLE"


class ChunkEngineError(Exception):
    """A call cannot be served; the message names the field, its value and what is allowed."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def field_invalid(field: str, value: object, allowed: str) -> ChunkEngineError:
    """Make the error of a malformed field."""
    return ChunkEngineError(Reason.FIELD_INVALID, f"{field} is {value!r}; allowed: {allowed}")


class ModelFolderError(Exception):
    """The model folder is not one that this engine can run."""


class ServerAddressError(Exception):
    """The server cannot listen where it was told to."""


class FolderInUseError(Exception):
    """Another engine keeps its variants in the folder."""
