"""The gRPC server inside the engine's process, and the thread that ends pins on time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from holdfast_vllm._generated import kv_control_service_pb2_grpc as service
from holdfast_vllm.control.service import KvControlService
from holdfast_vllm.control.watchers import MAX_WATCHERS, Watchers
from holdfast_vllm.pins.ledger import KvLedger
from holdfast_vllm.settings import Settings, SettingsError, split_address

_UNARY_THREADS = 4
_STOP_GRACE_SECONDS = 0.5
#: The thread that ends pins looks up this often whether it is to stop.
_LOOK_UP_SECONDS = 1.0


class KvControlServer:
    """Serves KvControl until `stop`."""

    def __init__(self, ledger: KvLedger, control: KvControlService, watchers: Watchers, settings: Settings) -> None:
        self._ledger = ledger
        self._watchers = watchers
        self._is_stopped = threading.Event()
        self._server = grpc.server(
            ThreadPoolExecutor(MAX_WATCHERS + _UNARY_THREADS, thread_name_prefix="holdfast-kv-control"),
            # Two engines on one port would answer in turns.
            options=(("grpc.so_reuseport", 0),),
        )
        service.add_KvControlServicer_to_server(control, self._server)
        self.address = self._listen(settings)
        self._expiry = threading.Thread(target=self._end_pins_on_time, name="holdfast-expiry", daemon=True)

    def start(self) -> None:
        """Start serving."""
        self._server.start()
        self._expiry.start()

    def stop(self) -> None:
        """Stop serving. May be called more than once."""
        self._is_stopped.set()
        self._watchers.close()
        self._server.stop(_STOP_GRACE_SECONDS).wait(2 * _STOP_GRACE_SECONDS)

    def _listen(self, settings: Settings) -> str:
        wanted = settings.kv_control_address
        try:
            if settings.has_tls:
                port = self._server.add_secure_port(wanted, _credentials(settings))
            else:
                port = self._server.add_insecure_port(wanted)
        except RuntimeError as error:
            raise SettingsError(f"KvControl cannot listen on kv_control_address {wanted!r}: {error}") from error
        host, _ = split_address(wanted)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _end_pins_on_time(self) -> None:
        """An idle engine schedules nothing, so nobody else would end a pin or tell the watchers."""
        while not self._is_stopped.is_set():
            self._ledger.wait_for_deadline(_LOOK_UP_SECONDS)


def _credentials(settings: Settings) -> grpc.ServerCredentials:
    names = ("tls_key", "tls_certificate", "tls_client_ca")
    key, certificate, client_ca = (_read_pem(name, getattr(settings, name)) for name in names)
    return grpc.ssl_server_credentials([(key, certificate)], root_certificates=client_ca, require_client_auth=True)


def _read_pem(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"{name} is {path!r}, which cannot be read: {error.strerror}") from error
