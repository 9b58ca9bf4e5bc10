from __future__ import annotations

import re

import pytest

from holdfast_vllm.settings import DEFAULT_ADDRESS, Settings, SettingsError, read_settings, split_address

TLS = {"tls_certificate": "c.pem", "tls_key": "k.pem", "tls_client_ca": "ca.pem"}


def test_the_defaults_are_loopback_and_nearly_the_whole_pool() -> None:
    assert read_settings({}, {}) == Settings("127.0.0.1:50052", 0.95)
    assert read_settings(None, {}).kv_control_address == DEFAULT_ADDRESS


def test_the_configuration_comes_before_the_environment() -> None:
    environment = {"HOLDFAST_KV_CONTROL_ADDRESS": "127.0.0.1:1"}
    assert read_settings({}, environment).kv_control_address == "127.0.0.1:1"
    given = {"holdfast": {"kv_control_address": "[::1]:2", "max_pinned_fraction": 0.5}, "other": 1}
    assert read_settings(given, environment) == Settings("[::1]:2", 0.5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kv_control_address": "50052"}, "kv_control_address is '50052'; allowed: host:port"),
        ({"kv_control_address": "127.0.0.1:70000"}, "with a port from 0 to 65535"),
        ({"max_pinned_fraction": 1.5}, "max_pinned_fraction is 1.5; allowed: a number from 0 to 1"),
        ({"max_pinned_fraction": True}, "max_pinned_fraction is True; allowed"),
        ({"bind": "x"}, "additional_config.holdfast.bind is unknown; known are kv_control_address"),
        ({"tls_key": "k.pem"}, "allowed: all three or none"),
        ({**TLS, "tls_key": 5}, "tls_key is 5; allowed: the path of a PEM file"),
        ({"kv_control_address": "0.0.0.0:50052"}, "which others can reach; allowed without tls_certificate"),
        ({"kv_control_address": "engine.example:50052"}, "which others can reach"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(given: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        read_settings({"holdfast": given}, {})


def test_a_configuration_that_is_no_object_is_refused() -> None:
    with pytest.raises(SettingsError, match="allowed: an object"):
        read_settings({"holdfast": 5}, {})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"])
def test_loopback_needs_no_certificates(host: str) -> None:
    assert read_settings({}, {"HOLDFAST_KV_CONTROL_ADDRESS": f"{host}:0"}).has_tls is False


def test_with_certificates_any_address_will_do() -> None:
    assert read_settings({"holdfast": {"kv_control_address": "0.0.0.0:50052", **TLS}}, {}).has_tls


def test_an_address_has_a_host_and_a_port() -> None:
    assert split_address("[::1]:5") == ("::1", 5)
    assert split_address("localhost:5") == ("localhost", 5)
