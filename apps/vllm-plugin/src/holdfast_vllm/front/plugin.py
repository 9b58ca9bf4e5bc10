"""The entry point of the group `vllm.general_plugins`.

vLLM calls `register` in each of its processes, in the front-end before it reads its options: so long before its gRPC
launcher adds VllmEngine to a server.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

_PACKAGE = "holdfast_vllm"
_MARK = "_holdfast_serves_request_stream"

logger = logging.getLogger("vllm.holdfast")


def register() -> None:
    """Have RequestStreamService served beside VllmEngine. May be called more than once; never raises."""
    try:
        from smg_grpc_proto import vllm_engine_pb2_grpc as front  # noqa: PLC0415

        add = front.add_VllmEngineServicer_to_server
    except Exception as error:
        # A vLLM without --grpc needs none of it, and for one with --grpc the launcher itself says what is wrong.
        logger.debug("no RequestStreamService: %s", error)
        return
    if not hasattr(add, _MARK):
        front.add_VllmEngineServicer_to_server = _with_request_stream(add)


def uses_our_scheduler(servicer: Any) -> bool:
    """True when the engine behind the servicer runs one of this package's schedulers, or a subclass. Pure."""
    config = getattr(getattr(servicer, "engine", None), "vllm_config", None)
    scheduler = getattr(getattr(config, "scheduler_config", None), "scheduler_cls", None)
    modules = (
        [scheduler] if isinstance(scheduler, str) else [base.__module__ for base in getattr(scheduler, "__mro__", ())]
    )
    return any(module.partition(".")[0] == _PACKAGE for module in modules)


def _with_request_stream(add: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """The function that adds VllmEngine to a server, which then adds RequestStreamService, too."""

    @wraps(add)
    def add_both(servicer: Any, server: Any) -> None:
        add(servicer, server)
        try:
            if uses_our_scheduler(servicer):
                _add(servicer, server)
        except Exception:
            # Callers without the service use Generate: no reason to refuse to start.
            logger.exception("RequestStreamService cannot be served")

    setattr(add_both, _MARK, True)
    return add_both


def _add(servicer: Any, server: Any) -> None:
    from holdfast_vllm._generated import request_stream_service_pb2_grpc as service  # noqa: PLC0415
    from holdfast_vllm.front.request_stream import RequestStream  # noqa: PLC0415

    stream = RequestStream(servicer.Generate)
    _call_before_stop(server, stream.drain)
    service.add_RequestStreamServiceServicer_to_server(stream, server)
    logger.info("RequestStreamService is served beside VllmEngine")


def _call_before_stop(server: Any, prepare: Callable[[], None]) -> None:
    """Have something done whenever this server is told to stop."""
    # grpc.aio tells no service that its server stops, and waits for open streams until the grace is over.
    stop = server.stop

    @wraps(stop)
    def prepare_and_stop(*args: Any, **kwargs: Any) -> Any:
        prepare()
        return stop(*args, **kwargs)

    server.stop = prepare_and_stop
