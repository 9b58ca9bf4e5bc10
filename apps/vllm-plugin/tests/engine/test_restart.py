"""What a restart changes, and the order of the queue, on an engine that runs one request at a time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import grpc
import pytest

from holdfast_vllm._generated import kv_control_service_pb2 as kv
from tests.engine.harness import Engine, Watch, pin_hint, prompt_of, running_engine

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def narrow_engine() -> Iterator[Engine]:
    """One request at a time, and a cap on hard pins."""
    options = ("--blocks", "64", "--max-model-len", "1024", "--max-num-seqs", "1", "--max-pinned-fraction", "0.2")
    with running_engine(*options) as served:
        yield served


def test_a_restart_changes_the_epoch_and_old_pins_are_gone(shared_engine: Engine, narrow_engine: Engine) -> None:
    old = shared_engine.kv.GetInfo(kv.GetInfoRequest())
    new = narrow_engine.kv.GetInfo(kv.GetInfoRequest())
    assert old.epoch != new.epoch
    assert narrow_engine.pins() == {}
    with pytest.raises(grpc.RpcError) as caught:
        narrow_engine.kv.Release(kv.ReleaseRequest(program_id="a", epoch=old.epoch))
    assert caught.value.code() is grpc.StatusCode.ABORTED


def test_the_engine_describes_itself(narrow_engine: Engine) -> None:
    info = narrow_engine.kv.GetInfo(kv.GetInfoRequest())
    assert (info.interface_version, info.engine_kind, info.total_blocks, info.block_size) == (1, "vllm", 63, 32)
    assert (info.max_running_requests, info.max_pinned_fraction) == (1, 0.2)
    assert info.orders_by_rank
    assert info.soft_pins


def test_hard_pins_stop_at_the_cap(narrow_engine: Engine) -> None:
    for index, expected in enumerate([10, 0]):
        hints = {"program": f"p{index}", "pin": pin_hint()}
        turn = narrow_engine.generate(prompt_of(100 + index, 330), hints=hints)
        assert turn.holdfast["pinnedBlocks"] == expected
    with pytest.raises(grpc.RpcError) as caught:
        narrow_engine.kv.Pin(kv.PinRequest(program_id="p1", ttl_ms=1_000, value=1))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    narrow_engine.release_all()


def test_the_queue_is_ordered_by_rank_then_by_program_arrival(narrow_engine: Engine) -> None:
    wanted = {"first": (1, 500), "second": (2, 100), "third": (2, 200), "fourth": (3, 50)}
    finished: list[str] = []

    def run(program_id: str) -> None:
        rank, arrival_ms = wanted[program_id]
        hints = {"program": program_id, "rank": rank, "arrivalMs": arrival_ms}
        narrow_engine.generate(prompt_of(rank * 1_000 + arrival_ms, 40), max_tokens=2, hints=hints)
        finished.append(program_id)

    watch = Watch(narrow_engine, stats_interval_ms=20)

    def waits(count: int) -> bool:
        return bool(watch.stats[-1].waiting_requests == count)

    with ThreadPoolExecutor(5) as pool:
        pool.submit(narrow_engine.generate, prompt_of(200, 40), max_tokens=200)
        watch.wait_until(lambda: watch.stats[-1].running_requests == 1, "a running request")
        for waiting, program_id in enumerate(["third", "fourth", "first", "second"], start=1):
            pool.submit(run, program_id)
            watch.wait_until(partial(waits, waiting), f"{waiting} waiting requests")
    watch.close()
    assert finished == list(wanted)
