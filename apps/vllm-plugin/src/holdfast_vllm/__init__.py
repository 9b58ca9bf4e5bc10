"""Holds the KV cache of agent programs inside vLLM.

`vllm serve ... --scheduler-cls holdfast_vllm.HoldfastScheduler` loads the scheduler from here. vLLM is imported only
then, so that everything else of this package works without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast_vllm.engine.scheduler import HoldfastAsyncScheduler, HoldfastScheduler

__all__ = ["HoldfastAsyncScheduler", "HoldfastScheduler"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the schedulers when they are asked for."""
    if name in __all__:
        from holdfast_vllm.engine import scheduler  # noqa: PLC0415

        return getattr(scheduler, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
