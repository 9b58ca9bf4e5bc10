from __future__ import annotations

import asyncio
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from holdfast_vllm.front.plugin import register, uses_our_scheduler
from tests.unit.streaming import Served, add_function, run, serving


class Mixin:
    __module__ = "holdfast_vllm.engine.scheduler"


class Derived(Mixin):
    pass


class NotOurs:
    pass


def servicer_with(scheduler: object) -> Any:
    config = SimpleNamespace(scheduler_config=SimpleNamespace(scheduler_cls=scheduler))
    return SimpleNamespace(engine=SimpleNamespace(vllm_config=config))


@pytest.mark.parametrize(
    ("scheduler", "is_ours"),
    [
        ("holdfast_vllm.HoldfastScheduler", True),
        ("holdfast_vllm.engine.scheduler.HoldfastAsyncScheduler", True),
        (Mixin, True),
        (Derived, True),
        ("holdfast_vllm_like.Scheduler", False),
        ("vllm.v1.core.sched.scheduler.Scheduler", False),
        (NotOurs, False),
        (None, False),
    ],
)
def test_only_our_schedulers_are_recognized(scheduler: object, is_ours: bool) -> None:
    assert uses_our_scheduler(servicer_with(scheduler)) is is_ours


def test_a_servicer_of_another_shape_is_not_ours() -> None:
    assert not uses_our_scheduler(object())


def test_registering_again_changes_nothing() -> None:
    register()
    add = add_function()
    register()
    assert add_function() is add


async def code_of_a_stream(served: Served) -> grpc.StatusCode:
    call = served.open().call
    await call.done_writing()
    return await asyncio.wait_for(call.code(), 10)


@pytest.mark.parametrize(
    ("scheduler", "code"),
    [(Derived, grpc.StatusCode.OK), (None, grpc.StatusCode.UNIMPLEMENTED)],
)
def test_the_service_is_there_only_with_our_scheduler(scheduler: object, code: grpc.StatusCode) -> None:
    async def test() -> None:
        async with serving(scheduler) as served:
            assert await code_of_a_stream(served) is code

    run(test)


def test_a_service_that_cannot_be_added_does_not_keep_the_engine_from_starting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with serving() as served:
            assert await code_of_a_stream(served) is grpc.StatusCode.UNIMPLEMENTED

    monkeypatch.setitem(sys.modules, "holdfast_vllm.front.request_stream", None)
    run(test)
    assert "RequestStreamService cannot be served" in caplog.text


def test_registering_without_the_servicer_is_harmless_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.modules['smg_grpc_proto'] = None; from holdfast_vllm.front.plugin import register; register();"
        "assert not {'grpc', 'vllm', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
