"""Settings of the plug-in: `--additional-config '{"holdfast": {...}}'`, then the environment, then the defaults."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, fields

DEFAULT_ADDRESS = "127.0.0.1:50052"
DEFAULT_MAX_PINNED_FRACTION = 0.95
ADDRESS_VARIABLE = "HOLDFAST_KV_CONTROL_ADDRESS"
MAX_PORT = 65_535


class SettingsError(ValueError):
    """A setting that cannot be used; the message names it, its value and what is allowed."""


@dataclass(frozen=True)
class Settings:
    """What an operator can choose."""

    #: host:port of KvControl. Port 0 picks a free one, which the log names.
    kv_control_address: str = DEFAULT_ADDRESS
    #: Share of the pool that hard pins may take together, 0 to 1.
    max_pinned_fraction: float = DEFAULT_MAX_PINNED_FRACTION
    #: Files in PEM. All three or none: with them clients must present a certificate that `tls_client_ca` signed.
    tls_certificate: str | None = None
    tls_key: str | None = None
    tls_client_ca: str | None = None

    @property
    def has_tls(self) -> bool:
        """True when clients have to authenticate."""
        return self.tls_certificate is not None


def read_settings(additional_config: object, environment: Mapping[str, str]) -> Settings:
    """Read and check the settings. Pure."""
    given = additional_config.get("holdfast", {}) if isinstance(additional_config, Mapping) else {}
    if not isinstance(given, Mapping):
        raise SettingsError(f"additional_config.holdfast is {given!r}; allowed: an object")
    known = [field.name for field in fields(Settings)]
    for name in given:
        if name not in known:
            raise SettingsError(f"additional_config.holdfast.{name} is unknown; known are {', '.join(known)}")
    address = given.get("kv_control_address", environment.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS)
    settings = Settings(
        kv_control_address=_check_address(address),
        max_pinned_fraction=_check_fraction(given.get("max_pinned_fraction", DEFAULT_MAX_PINNED_FRACTION)),
        tls_certificate=_check_path("tls_certificate", given.get("tls_certificate")),
        tls_key=_check_path("tls_key", given.get("tls_key")),
        tls_client_ca=_check_path("tls_client_ca", given.get("tls_client_ca")),
    )
    _check_security(settings)
    return settings


def split_address(address: str) -> tuple[str, int]:
    """Host and port of an address that was checked. Pure."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _check_address(address: object) -> str:
    if isinstance(address, str):
        host, _, port = address.rpartition(":")
        if host and port.isascii() and port.isdigit() and int(port) <= MAX_PORT:
            return address
    raise SettingsError(f"kv_control_address is {address!r}; allowed: host:port, with a port from 0 to {MAX_PORT}")


def _check_fraction(fraction: object) -> float:
    if isinstance(fraction, (int, float)) and not isinstance(fraction, bool) and 0 <= fraction <= 1:
        return float(fraction)
    raise SettingsError(f"max_pinned_fraction is {fraction!r}; allowed: a number from 0 to 1")


def _check_path(name: str, path: object) -> str | None:
    if path is None or (isinstance(path, str) and path):
        return path
    raise SettingsError(f"{name} is {path!r}; allowed: the path of a PEM file")


def _check_security(settings: Settings) -> None:
    tls = (settings.tls_certificate, settings.tls_key, settings.tls_client_ca)
    if any(tls) and not all(tls):
        raise SettingsError("tls_certificate, tls_key and tls_client_ca belong together; allowed: all three or none")
    host, _ = split_address(settings.kv_control_address)
    if not settings.has_tls and not _is_loopback(host):
        raise SettingsError(
            f"kv_control_address is {settings.kv_control_address!r}, which others can reach; allowed without "
            "tls_certificate, tls_key and tls_client_ca: a loopback address"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
