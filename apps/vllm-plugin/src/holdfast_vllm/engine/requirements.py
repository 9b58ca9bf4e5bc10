"""What the plug-in needs of an engine. Everything else is refused with a message that says what to do."""

from __future__ import annotations

from typing import Any


class UnsupportedEngineError(RuntimeError):
    """The engine is configured in a way that the plug-in cannot serve."""


def check_engine(vllm_config: Any, kv_cache_config: Any, full_attention: tuple[type, ...]) -> None:
    """Refuse what is not supported. `full_attention` are the KV specifications that are."""
    parallel = vllm_config.parallel_config
    rank = max(
        int(getattr(parallel, "data_parallel_rank", 0) or 0), int(getattr(parallel, "data_parallel_index", 0) or 0)
    )
    if rank > 0:
        raise UnsupportedEngineError(
            f"data_parallel_rank is {rank}; allowed: 0. Pins belong to one rank and KvControl has one address: run one "
            "engine per rank (--data-parallel-size 1) and register each with the control plane"
        )
    if not vllm_config.cache_config.enable_prefix_caching:
        raise UnsupportedEngineError(
            "prefix caching is off; pins keep cached prefixes: drop --no-enable-prefix-caching"
        )
    groups = kv_cache_config.kv_cache_groups
    if len(groups) != 1:
        raise UnsupportedEngineError(
            f"the model has {len(groups)} KV cache groups; allowed: 1. Models that mix full attention with sliding "
            "windows or state-space layers are not supported"
        )
    specification = groups[0].kv_cache_spec
    parts = getattr(specification, "kv_cache_specs", None)
    for part in parts.values() if parts else (specification,):
        if not isinstance(part, full_attention):
            names = ", ".join(kind.__name__ for kind in full_attention)
            raise UnsupportedEngineError(
                f"the model's KV cache is of kind {type(part).__name__}; allowed: {names}. A pin holds a whole prefix, "
                "and this kind drops parts of it"
            )
