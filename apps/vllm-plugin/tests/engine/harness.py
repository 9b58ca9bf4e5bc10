"""A real vLLM with the plug-in, started through tools/vllm/serve.mjs, and a small client for it."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from holdfast_vllm._generated import kv_control_service_pb2 as kv
from holdfast_vllm._generated import kv_control_service_pb2_grpc as kv_service
from holdfast_vllm._generated import kv_pb2

pytest.importorskip("smg_grpc_proto", reason="the messages of VllmEngine are those of smg-grpc-proto")
from smg_grpc_proto.generated import common_pb2 as common
from smg_grpc_proto.generated import vllm_engine_pb2 as engine
from smg_grpc_proto.generated import vllm_engine_pb2_grpc as engine_service

REPOSITORY = Path(__file__).resolve().parents[4]
BLOCK_TOKENS = 32
CALL_SECONDS = 240
START_SECONDS = 400


@dataclass(frozen=True)
class Turn:
    """What came back of a request."""

    output_ids: list[int]
    cached_tokens: int
    prompt_tokens: int
    finish_reason: str
    #: The answer to the hints; empty when there is none.
    holdfast: dict[str, Any] = field(default_factory=dict)


def prompt_of(seed: int, tokens: int) -> list[int]:
    """Token ids that no other seed shares a block with."""
    numbers = random.Random(seed)  # noqa: S311
    return [numbers.randrange(1_000, 40_000) for _ in range(tokens)]


def pin_hint(ttl_ms: int = 60_000, *, soft: bool = False, value: float | str = "inf") -> dict[str, Any]:
    """The pin of a hint."""
    return {"ttlMs": ttl_ms, "soft": soft, "value": value}


class Engine:
    """One running engine."""

    def __init__(self, address: str, kv_control_address: str) -> None:
        self.kv_control_address = kv_control_address
        self._channels = [grpc.insecure_channel(address), grpc.insecure_channel(kv_control_address)]
        self.vllm = engine_service.VllmEngineStub(self._channels[0])
        self.kv = kv_service.KvControlStub(self._channels[1])
        self._lock = threading.Lock()
        self._requests = 0

    def close(self) -> None:
        """Close the connections."""
        for channel in self._channels:
            channel.close()

    def request(
        self,
        prompt: Sequence[int],
        *,
        max_tokens: int = 1,
        hints: dict[str, Any] | None = None,
        stop: Sequence[str] = (),
        stop_token_ids: Sequence[int] = (),
    ) -> engine.GenerateRequest:
        """A request for exactly `max_tokens` tokens, unless a stop ends it."""
        with self._lock:
            self._requests += 1
            request_id = f"test-{self._requests}"
        sampling = engine.SamplingParams(
            temperature=0.0, max_tokens=max_tokens, ignore_eos=True, stop=stop, stop_token_ids=stop_token_ids
        )
        request = engine.GenerateRequest(
            request_id=request_id,
            tokenized=engine.TokenizedInput(input_ids=prompt),
            sampling_params=sampling,
            stream=True,
        )
        if hints is not None:
            request.kv_transfer_params_json = json.dumps({"holdfast": hints})
        return request

    def generate(self, prompt: Sequence[int], **options: Any) -> Turn:
        """Run a request to its end."""
        output_ids: list[int] = []
        for response in self.vllm.Generate(self.request(prompt, **options), timeout=CALL_SECONDS):
            if response.WhichOneof("response") == "chunk":
                output_ids.extend(response.chunk.token_ids)
                continue
            complete = response.complete
            params = json.loads(complete.kv_transfer_params_json or "{}")
            return Turn(
                output_ids=output_ids,
                cached_tokens=complete.cached_tokens,
                prompt_tokens=complete.prompt_tokens,
                finish_reason=complete.finish_reason,
                holdfast=params.get("holdfast", {}),
            )
        raise AssertionError("the stream ended without a complete")

    def tokenizer_json(self) -> str:
        """The engine's own tokenizer."""
        chunks = self.vllm.GetTokenizer(common.GetTokenizerRequest(), timeout=CALL_SECONDS)
        with zipfile.ZipFile(io.BytesIO(b"".join(chunk.data for chunk in chunks))) as archive:
            return archive.read("tokenizer.json").decode()

    def stats(self) -> Any:
        """GetStats."""
        return self.kv.GetStats(kv.GetStatsRequest(), timeout=10).stats

    def pins(self) -> dict[str, Any]:
        """ListPins, by program."""
        return {pin.program_id: pin for pin in self.kv.ListPins(kv.ListPinsRequest(), timeout=10).pins}

    def release_all(self) -> None:
        """Give every pin up."""
        for program_id in self.pins():
            self.kv.Release(kv.ReleaseRequest(program_id=program_id), timeout=10)


@contextmanager
def running_engine(*options: str) -> Iterator[Engine]:
    """Start an engine, and stop it at the end."""
    command = ["node", str(REPOSITORY / "tools" / "vllm" / "serve.mjs"), "--exit-with-stdin", *options]
    log = open(os.environ.get("HOLDFAST_TEST_ENGINE_LOG", os.devnull), "ab")  # noqa: SIM115
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"the engine did not start: exit {process.wait(START_SECONDS)}"
        ready = json.loads(line)
        served = Engine(ready["address"], ready["kvControlAddress"])
        try:
            yield served
        finally:
            served.close()
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(60)
        if process.stdout is not None:
            process.stdout.close()
        log.close()


class Watch:
    """The pin events of an engine, as they come."""

    def __init__(self, served: Engine, stats_interval_ms: int = 60_000) -> None:
        self._call = served.kv.Watch(kv.WatchRequest(stats_interval_ms=stats_interval_ms))
        self._changed = threading.Condition()
        self._events: list[Any] = []
        self.stats: list[Any] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        self.wait_until(lambda: bool(self.stats), "the first stats")

    def changes(self) -> list[str]:
        """What happened so far, as in "revoked a stall"."""
        with self._changed:
            return [_describe(event) for event in self._events]

    def matching(self, word: str, count: int) -> list[str]:
        """Those that hold the word, once at least so many have come: events follow the answers to calls."""

        def found() -> list[str]:
            return [change for change in map(_describe, self._events) if word in change]

        self.wait_until(lambda: len(found()) >= count, f"{count} with {word}")
        with self._changed:
            return found()

    def sequences(self) -> list[int]:
        """The numbers of the events so far."""
        with self._changed:
            return [event.sequence for event in self._events]

    def wait_for(self, change: str, seconds: float = 60) -> None:
        """Wait until it has happened."""
        self.wait_until(lambda: change in [_describe(event) for event in self._events], change, seconds)

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Wait until the condition holds."""
        with self._changed:
            reached = self._changed.wait_for(condition, seconds)
            assert reached, f"{what} did not come within {seconds} s; came: {[_describe(e) for e in self._events]}"

    def close(self) -> None:
        """Stop watching."""
        self._call.cancel()
        self._thread.join(10)

    def _read(self) -> None:
        try:
            for message in self._call:
                with self._changed:
                    if message.WhichOneof("payload") == "stats":
                        self.stats.append(message.stats)
                    else:
                        self._events.append(message.pin_event)
                    self._changed.notify_all()
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)


def _describe(event: Any) -> str:
    change = kv_pb2.PinChange.Name(event.change).removeprefix("PIN_CHANGE_").lower()
    reason = kv_pb2.RevocationReason.Name(event.reason).removeprefix("REVOCATION_REASON_").lower()
    return f"{change} {event.pin.program_id}" + ("" if reason == "unspecified" else f" {reason}")


def together(served: Engine, calls: Sequence[dict[str, Any]]) -> list[Turn]:
    """Run requests at once, in order of their start."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(served.generate, **call) for call in calls]]
