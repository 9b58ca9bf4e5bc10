"""The gRPC server: the calls, health and reflection."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from holdfast_chunks._generated import chunk_engine_service_pb2 as service
from holdfast_chunks._generated import chunk_engine_service_pb2_grpc as stubs
from holdfast_chunks.errors import ServerAddressError
from holdfast_chunks.service.engine import ChunkEngine
from holdfast_chunks.service.servicer import MAX_WATCHERS, ChunkEngineServicer

_UNARY_THREADS = 8
_STOP_GRACE_SECONDS = 5.0
_MAX_MESSAGE_BYTES = 64 << 20
_KEEPALIVE_MS, _KEEPALIVE_TIMEOUT_MS = 60_000, 20_000


class ChunkEngineServer:
    """Serves an engine until `stop`. Raises ServerAddressError when it cannot listen."""

    def __init__(self, engine: ChunkEngine, address: str) -> None:
        threads = MAX_WATCHERS + engine.settings.max_waiting + _UNARY_THREADS
        self._server = grpc.server(
            ThreadPoolExecutor(threads, thread_name_prefix="holdfast-chunks"),
            # More calls would wait for a thread, in a line without a bound.
            maximum_concurrent_rpcs=threads,
            options=(
                # Two engines on one port would answer in turns.
                ("grpc.so_reuseport", 0),
                # A client that watches has nothing to say for hours, and asks every minute whether the peer is there:
                # by default that is taken for an attack after some minutes, and the connection is closed.
                ("grpc.http2.max_ping_strikes", 0),
                # A peer that is gone without a word gives its threads back.
                ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
                ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
                ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
            ),
        )
        self._servicer = ChunkEngineServicer(engine)
        self._health = health.HealthServicer()
        stubs.add_ChunkEngineServiceServicer_to_server(self._servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._name = service.DESCRIPTOR.services_by_name["ChunkEngineService"].full_name
        names = (self._name, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise ServerAddressError(f"--address is {address!r}, where nothing can listen: {error}") from error
        self.address = f"{address.rpartition(':')[0]}:{port}"

    def start(self) -> None:
        """Start serving."""
        self._server.start()
        for name in ("", self._name):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    def stop(self) -> None:
        """Stop serving: running calls have some seconds to end."""
        self._health.enter_graceful_shutdown()
        self._servicer.stop()
        self._server.stop(_STOP_GRACE_SECONDS).wait(2 * _STOP_GRACE_SECONDS)
