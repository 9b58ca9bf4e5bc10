"""What the engine says of its host memory."""

from __future__ import annotations

from types import SimpleNamespace

from holdfast_vllm.engine.host_memory import host_blocks

#: 100 blocks of 10 bytes for each of two layers, on one worker.
POOL = SimpleNamespace(num_blocks=100, kv_cache_tensors=[SimpleNamespace(size=1_000)] * 2)


def config(connector: str | None, host_bytes: int | None, workers: int = 1) -> SimpleNamespace:
    """Settings of vLLM with a connector."""
    extra = {} if host_bytes is None else {"cpu_bytes_to_use": host_bytes}
    transfer = SimpleNamespace(kv_connector=connector, kv_connector_extra_config=extra)
    return SimpleNamespace(
        kv_transfer_config=None if connector is None else transfer,
        parallel_config=SimpleNamespace(world_size=workers),
    )


def test_counts_the_blocks_that_fit_the_memory_of_all_workers() -> None:
    assert host_blocks(config("OffloadingConnector", 6_000), POOL) == 300
    assert host_blocks(config("SimpleCPUOffloadConnector", 6_000, workers=2), POOL) == 150
    assert host_blocks(config("OffloadingConnector", 19), POOL) == 0


def test_knows_of_none_without_a_connector_that_says_how_much_it_holds() -> None:
    assert host_blocks(config(None, None), POOL) == 0
    assert host_blocks(config("OffloadingConnector", None), POOL) == 0
    assert host_blocks(config("LMCacheMPConnector", 6_000), POOL) == 0
