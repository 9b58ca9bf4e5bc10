"""The schedulers for `--scheduler-cls`: vLLM's own, with pins, order by rank, and KvControl beside them."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import vllm
from vllm.logger import init_logger
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.request_queue import SchedulingPolicy
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.kv_cache_interface import FullAttentionSpec
from vllm.v1.request import RequestStatus

from holdfast_vllm.control.server import KvControlServer
from holdfast_vllm.control.service import KvControlService
from holdfast_vllm.control.stats import EngineFacts, EngineStats
from holdfast_vllm.control.watchers import Watchers
from holdfast_vllm.engine.block_pool_store import BlockPoolStore, full_blocks
from holdfast_vllm.engine.demand import Demand
from holdfast_vllm.engine.host_memory import host_blocks
from holdfast_vllm.engine.pool_figures import PoolCounter
from holdfast_vllm.engine.queues import set_priority
from holdfast_vllm.engine.requirements import check_engine
from holdfast_vllm.hints import Hints, read_hints, without_hints, write_answer
from holdfast_vllm.pins.ledger import KvLedger
from holdfast_vllm.pins.pin import PinView
from holdfast_vllm.pins.pressure import Admission
from holdfast_vllm.settings import read_settings

# The mixin stands before one of vLLM's schedulers, whose methods its own ones extend.
if TYPE_CHECKING:
    _Base: Any = object
else:
    _Base = object

logger = init_logger("vllm.holdfast")

#: A preempted request comes before every rank: it has done work that would be lost.
PREEMPTED_LEAD = 1 << 62


@dataclass
class _Counters:
    """What happened since start."""

    preemptions: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


class HoldfastMixin(_Base):  # type: ignore[misc]
    """Pins and ranks for a vLLM scheduler.

    The engine's thread calls the methods below; the threads of KvControl use the same ledger. Whatever reads or changes
    blocks does so under the ledger's lock. The model runs outside of it, so a call of KvControl waits for a scheduling
    pass at most, and an idle engine answers at once.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        check_engine(self.vllm_config, self.kv_cache_config, (FullAttentionSpec,))
        settings = read_settings(self.vllm_config.additional_config, os.environ)
        self._store = BlockPoolStore(self.kv_cache_manager.block_pool)
        self._orders_by_rank = self.policy == SchedulingPolicy.PRIORITY
        self._facts = EngineFacts(
            epoch=uuid.uuid4().hex,
            engine_version=str(vllm.__version__),
            total_blocks=self._store.total_blocks,
            block_tokens=int(self.block_size),
            max_running_requests=int(self.max_num_running_reqs),
            max_pinned_fraction=settings.max_pinned_fraction,
            orders_by_rank=self._orders_by_rank,
            host_blocks=host_blocks(self.vllm_config, self.kv_cache_config),
        )
        watchers = Watchers()
        self._ledger = KvLedger(
            self._store,
            total_blocks=self._facts.total_blocks,
            block_tokens=self._facts.block_tokens,
            max_pinned_fraction=settings.max_pinned_fraction,
            clock=time.monotonic,
            listener=watchers.publish,
        )
        self._pool_counter = PoolCounter(self._store, self._ledger)
        self._hints: dict[str, Hints] = {}
        self._named: dict[str, str] = {}
        self._preempted: set[str] = set()
        self._counted: set[str] = set()
        self._counters = _Counters()
        self._allocate_slots = self.kv_cache_manager.allocate_slots
        self.kv_cache_manager.allocate_slots = self._allocate_or_yield
        self._control = KvControlServer(
            self._ledger, KvControlService(self._ledger, self._facts, self, watchers), watchers, settings
        )
        self._control.start()
        logger.info("Holdfast KvControl listens on %s, epoch %s", self._control.address, self._facts.epoch)
        if not self._orders_by_rank:
            logger.warning("Holdfast: requests are not ordered by rank; that needs --scheduling-policy priority")

    def schedule(self, *args: Any, **kwargs: Any) -> Any:
        """Schedule a step; pins whose time has come hold nothing back."""
        with self._ledger.lock:
            self._ledger.expire()
            return super().schedule(*args, **kwargs)

    def update_from_output(self, *args: Any, **kwargs: Any) -> Any:
        """Take in what the model computed."""
        with self._ledger.lock:
            outputs = super().update_from_output(*args, **kwargs)
            for batch in outputs.values():
                self._counters.output_tokens += sum(len(output.new_token_ids) for output in batch.outputs)
            return outputs

    def add_request(self, request: Any) -> None:
        """Queue a request, in the order that its hints want."""
        hints = read_hints(request.kv_transfer_params)
        with self._ledger.lock:
            if hints is not None:
                request.kv_transfer_params = without_hints(request.kv_transfer_params)
                self._hints[request.request_id] = hints
                if hints.request_id is not None:
                    self._named[hints.request_id] = request.request_id
                request.priority = hints.rank
                if hints.arrival_ms is not None:
                    request.arrival_time = hints.arrival_ms / 1_000
            super().add_request(request)

    def finish_requests(self, *args: Any, **kwargs: Any) -> Any:
        """End requests from outside: cancelled ones, and those that ended with a stop string."""
        with self._ledger.lock:
            return super().finish_requests(*args, **kwargs)

    def reset_prefix_cache(self, *args: Any, **kwargs: Any) -> bool:
        """Drop the cache. Pins go first: it cannot be dropped while blocks are in use."""
        with self._ledger.lock:
            self._ledger.drop_all()
            return bool(super().reset_prefix_cache(*args, **kwargs))

    def make_stats(self, *args: Any, **kwargs: Any) -> Any:
        """Report the engine's own stats; blocks of soft pins count as free, since anyone gets them."""
        stats = super().make_stats(*args, **kwargs)
        if stats is not None:
            with self._ledger.lock:
                stats.kv_cache_usage = max(0.0, stats.kv_cache_usage - self._pool_counter.soft_share())
        return stats

    def shutdown(self) -> None:
        """Stop KvControl, then the scheduler."""
        self._control.stop()
        super().shutdown()

    def stats(self) -> EngineStats:
        """The pool and the queues now. Safe to call from any thread."""
        with self._ledger.lock:
            pins = self._ledger.pin_count()
            figures = self._pool_counter.figures()
            running, waiting = self.get_request_counts()
            counters = self._counters
            return EngineStats(
                free_blocks=figures.free,
                evictable_blocks=figures.evictable,
                pinned_blocks=figures.pinned,
                active_blocks=figures.active,
                running_requests=running,
                waiting_requests=waiting,
                pins=pins,
                preemptions=counters.preemptions,
                prompt_tokens=counters.prompt_tokens,
                cached_tokens=counters.cached_tokens,
                output_tokens=counters.output_tokens,
            )

    def rerank(self, request_id: str, rank: int) -> bool:
        """Give a request that waits or runs another rank. Safe to call from any thread."""
        with self._ledger.lock:
            request = self.requests.get(self._named.get(request_id, request_id))
            if request is None or request.is_finished():
                return False
            lead = PREEMPTED_LEAD if request.request_id in self._preempted else 0
            set_priority(request, rank - lead, (self.waiting, self.kv_holding_waiting))
            return True

    def _preempt_request(self, request: Any, *args: Any, **kwargs: Any) -> None:
        self._counters.preemptions += 1
        self._preempted.add(request.request_id)
        if self._orders_by_rank:
            request.priority -= PREEMPTED_LEAD
        super()._preempt_request(request, *args, **kwargs)

    def _free_request(self, request: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        # Finished requests only: preemption frees blocks another way, and must not pin them.
        self._preempted.discard(request.request_id)
        self._counted.discard(request.request_id)
        hints = self._hints.pop(request.request_id, None)
        named = hints.request_id if hints is not None else None
        if named is not None and self._named.get(named) == request.request_id:
            del self._named[named]
        view = self._retain(request, hints) if hints is not None else None
        kv_params, ec_params = super()._free_request(request, *args, **kwargs)
        if hints is not None:
            kv_params = {**(kv_params or {}), "holdfast": write_answer(view, self._facts.epoch)}
        return kv_params, ec_params

    def _retain(self, request: Any, hints: Hints) -> PinView | None:
        if not _is_finished_turn(request, hints):
            return None
        keys, blocks = full_blocks(self.kv_cache_manager.get_blocks(request.request_id).blocks[0])
        return self._ledger.finish_turn(hints.program_id, keys, blocks, pin=hints.pin, is_last=hints.is_last)

    def _allocate_or_yield(self, request: Any, num_new_tokens: int, *args: Any, **kwargs: Any) -> Any:
        """Take `allocate_slots` of the KV cache manager, and let pins give way where it fails."""
        is_running = request.status == RequestStatus.RUNNING
        slots = self._allocate_slots(request, num_new_tokens, *args, **kwargs)
        demand = Demand(
            manager=self.kv_cache_manager,
            request=request,
            block_tokens=self._facts.block_tokens,
            max_model_len=int(self.max_model_len),
            num_new_tokens=num_new_tokens,
            call=kwargs,
            is_waiting=not is_running,
        )
        # One pass does, unless the demand was estimated too low: then the next pass asks for one block more.
        extra_blocks = 0
        while slots is None and self._yield(demand, extra_blocks):
            slots = self._allocate_slots(request, num_new_tokens, *args, **kwargs)
            extra_blocks += 1
        if slots is not None and not is_running:
            self._admitted(request, demand)
        return slots

    def _yield(self, demand: Demand, extra_blocks: int) -> bool:
        """Let pins give way to the request. False when none does."""
        wanted = max(1, demand.lacking() + extra_blocks)
        if not demand.is_waiting:
            # What is free may grow more slowly than pins go, where they share blocks with others.
            free_then = self.kv_cache_manager.block_pool.get_num_free_blocks() + wanted
            return self._ledger.yield_to_growth(
                lambda: free_then - int(self.kv_cache_manager.block_pool.get_num_free_blocks())
            )
        hints = self._hints.get(demand.request.request_id)
        wish = Admission(
            lacking=wanted,
            hits=demand.hits(),
            program_id=hints.program_id if hints is not None else None,
            bid=hints.bid if hints is not None else 0.0,
            nothing_runs=not self.running,
        )
        return self._ledger.yield_to_admission(wish, lambda: demand.lacking() + extra_blocks)

    def _admitted(self, request: Any, demand: Demand) -> None:
        request_id = request.request_id
        if request_id not in self._counted:
            self._counted.add(request_id)
            self._counters.prompt_tokens += int(request.num_prompt_tokens)
            self._counters.cached_tokens += demand.cached_tokens()
        if request_id in self._preempted:
            self._preempted.discard(request_id)
            if self._orders_by_rank:
                request.priority += PREEMPTED_LEAD
        hints = self._hints.get(request_id)
        if hints is not None:
            self._ledger.take_over(hints.program_id)


def _is_finished_turn(request: Any, hints: Hints) -> bool:
    """A turn that came to its own end.

    A stop string is found outside of this process, which then aborts the request. So an abort counts when the request
    asks for a pin, has stop strings, and has produced something; any other abort is a caller that went away.
    """
    if request.status in (RequestStatus.FINISHED_STOPPED, RequestStatus.FINISHED_LENGTH_CAPPED):
        return True
    stops = getattr(request.sampling_params, "stop", None)
    was_aborted = request.status == RequestStatus.FINISHED_ABORTED
    return bool(was_aborted and hints.pin is not None and stops and request.num_output_tokens > 0)


class HoldfastScheduler(HoldfastMixin, Scheduler):  # type: ignore[misc]
    """For engines without asynchronous scheduling, such as the CPU."""


class HoldfastAsyncScheduler(HoldfastMixin, AsyncScheduler):  # type: ignore[misc]
    """For engines with asynchronous scheduling, the default on GPUs."""
