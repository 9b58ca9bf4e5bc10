"""What the calls share: the model, the store, the turns, the counts."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import time
import uuid
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import torch

from holdfast_chunks.errors import ChunkEngineError, FolderInUseError, Reason
from holdfast_chunks.kv.files import KvFolder
from holdfast_chunks.kv.store import VariantStore
from holdfast_chunks.kv.variant import Variant
from holdfast_chunks.model.llama import Llama, load_llama
from holdfast_chunks.model.tokens import TextCodec
from holdfast_chunks.run.executor import Executor
from holdfast_chunks.service.neutral import NEUTRAL_TEXT
from holdfast_chunks.service.operations import Operations
from holdfast_chunks.service.turns import Turns

#: Tokens of the two prompts that the speed of the prefill is taken from.
_TIMED_TOKENS = (128, 384)
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Settings:
    """How an engine is set up."""

    model: Path
    folder: Path
    dtype: torch.dtype = torch.float32
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    memory_bytes: int = 1 << 30
    disk_bytes: int = 4 << 30
    max_waiting: int = 64
    name: str = "chunk-engine"


@dataclass
class Counts:
    """Since start."""

    requests: int = 0
    prompt_tokens: int = 0
    computed_tokens: int = 0
    reused_tokens: int = 0
    misses: int = 0


class ChunkEngine:
    """Owns the model and the stored variants of one process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.model: Llama = load_llama(settings.model, dtype=settings.dtype, device=settings.device)
        self.codec = TextCodec(settings.model)
        self.epoch = uuid.uuid4().hex
        self.fingerprint = _fingerprint(self.model, self.codec)
        self._lock = _locked(settings.folder)
        files = KvFolder(settings.folder, fingerprint=self.fingerprint)
        self.store = VariantStore(
            files, memory_bytes=settings.memory_bytes, disk_bytes=settings.disk_bytes, device=settings.device
        )
        self.executor = Executor(self.model, self.store)
        self.turns = Turns(max_waiting=settings.max_waiting)
        self.operations = Operations()
        self.counts = Counts()
        self.prefill_ms_per_token, self.prefill_ms_per_token_pair = _prefill_speed(self.executor)
        self.disk_bytes_per_second = _load_speed(self.executor, files)
        self.neutral_prefix = self.codec.encode(NEUTRAL_TEXT)
        self.tokenizer_archive = _tokenizer_archive(settings.model)

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._lock)

    def check_decided_for(self, *, epoch: str = "", fingerprint: str = "") -> None:
        """Raise unless the call was decided for this process and this model; empty means any."""
        if epoch not in ("", self.epoch):
            raise ChunkEngineError(Reason.EPOCH_STALE, f"epoch is {epoch!r}; the engine's is {self.epoch!r}")
        if fingerprint not in ("", self.fingerprint):
            message = f"fingerprint is {fingerprint!r}; the engine's is {self.fingerprint!r}"
            raise ChunkEngineError(Reason.ENGINE_CAPABILITY_MISSING, message)


def _locked(folder: Path) -> int:
    """Hold the folder until the process ends: two engines would take each other's files for orphans."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise FolderInUseError(
            f"--folder is {str(folder)!r}, which another engine uses; allowed: one of its own"
        ) from error
    return descriptor


def _fingerprint(model: Llama, codec: TextCodec) -> str:
    """Model, weights, positions, number type and tokenizer: KV of another fingerprint is other KV."""
    parts = (model.weights.digest, codec.digest, model.config.rope_theta, model.config.rms_eps, str(model.dtype))
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _prefill_speed(executor: Executor) -> tuple[float, float]:
    """Milliseconds a token, and a token and token of context before it: measured on two lengths."""
    took = []
    ids = [at % executor.model.config.vocabulary for at in range(_TIMED_TOKENS[-1])]
    executor.compute_span([], ids[: _TIMED_TOKENS[0]])  # the first run pays for what later ones find ready
    for tokens in _TIMED_TOKENS:
        began = time.perf_counter()
        executor.compute_span([], ids[:tokens])
        took.append(1e3 * (time.perf_counter() - began))
    # took = a n + b n(n-1)/2 for both lengths
    (first, second), (short, long) = _TIMED_TOKENS, took
    slope = 2 * (long / second - short / first) / (second - first)
    each = long / second - slope * (second - 1) / 2
    # On a busy machine two times can lie anywhere; then the longer one tells what a token takes.
    return (each, slope) if each > 0 and slope > 0 else (long / second, 0.0)


def _load_speed(executor: Executor, files: KvFolder) -> float:
    """Bytes a second from a file that was just written, checksum included: what the disk tier gives at best."""
    span, _ = executor.compute_span([], [0] * _TIMED_TOKENS[0])
    variant = Variant("speed", 0, "speed", (), "", "", "", b"", 0, 0, b"", is_canonical=False, byte_count=0)
    name = files.write(variant, span)
    began = time.perf_counter()
    files.read(variant)
    took_seconds = time.perf_counter() - began
    files.remove(name)
    return span.byte_count / took_seconds


def _tokenizer_archive(folder: Path) -> bytes:
    """A zip of the tokenizer's files; the same bytes for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in _TOKENIZER_FILES:
            file = folder / name
            if file.exists():
                archive.writestr(zipfile.ZipInfo(name, date_time=_ZIP_DATE), file.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
