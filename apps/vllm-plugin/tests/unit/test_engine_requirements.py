from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from holdfast_vllm.engine.requirements import UnsupportedEngineError, check_engine


class FullAttention:
    pass


class SlidingWindow:
    pass


def check(*specs: Any, rank: int = 0, index: int = 0, caching: bool = True) -> None:
    config = SimpleNamespace(
        parallel_config=SimpleNamespace(data_parallel_rank=rank, data_parallel_index=index),
        cache_config=SimpleNamespace(enable_prefix_caching=caching),
    )
    groups = [SimpleNamespace(kv_cache_spec=spec) for spec in specs]
    check_engine(config, SimpleNamespace(kv_cache_groups=groups), (FullAttention,))


def test_one_group_of_full_attention_is_served() -> None:
    check(FullAttention())
    check(SimpleNamespace(kv_cache_specs={"layer.0": FullAttention(), "layer.1": FullAttention()}))


@pytest.mark.parametrize(("rank", "index"), [(1, 0), (0, 2)])
def test_a_data_parallel_rank_is_refused(rank: int, index: int) -> None:
    with pytest.raises(UnsupportedEngineError, match=f"data_parallel_rank is {max(rank, index)}; allowed: 0"):
        check(FullAttention(), rank=rank, index=index)


def test_several_groups_are_refused() -> None:
    with pytest.raises(UnsupportedEngineError, match="has 2 KV cache groups; allowed: 1"):
        check(FullAttention(), SlidingWindow())


def test_a_cache_that_drops_parts_of_a_prefix_is_refused() -> None:
    with pytest.raises(UnsupportedEngineError, match="of kind SlidingWindow; allowed: FullAttention"):
        check(SlidingWindow())
    with pytest.raises(UnsupportedEngineError, match="of kind SlidingWindow"):
        check(SimpleNamespace(kv_cache_specs={"layer.0": FullAttention(), "layer.1": SlidingWindow()}))


def test_an_engine_without_prefix_caching_is_refused() -> None:
    with pytest.raises(UnsupportedEngineError, match="drop --no-enable-prefix-caching"):
        check(FullAttention(), caching=False)
