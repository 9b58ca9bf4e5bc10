"""How much host memory stands behind the pool."""

from __future__ import annotations

from typing import Any

#: vLLM's own connectors that keep overwritten KV in host memory; others do not say how much they hold.
OFFLOADING_CONNECTORS = ("OffloadingConnector", "SimpleCPUOffloadConnector")


def host_blocks(vllm_config: Any, kv_cache_config: Any) -> int:
    """Blocks of the pool that fit the host memory of vLLM's KV offloading; 0 without it.

    `cpu_bytes_to_use` is for all workers together, the tensors are those of one.
    """
    transfer = vllm_config.kv_transfer_config
    if transfer is None or transfer.kv_connector not in OFFLOADING_CONNECTORS:
        return 0
    pool_bytes = sum(tensor.size for tensor in kv_cache_config.kv_cache_tensors)
    pool_bytes *= vllm_config.parallel_config.world_size
    host_bytes = int(transfer.kv_connector_extra_config.get("cpu_bytes_to_use") or 0)
    return 0 if pool_bytes == 0 else kv_cache_config.num_blocks * host_bytes // pool_bytes
