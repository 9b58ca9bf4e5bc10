"""vLLM's scheduler with the plug-in, driven without a model: the test makes up the tokens."""

from __future__ import annotations

import os
import random
from collections import Counter, deque
from pathlib import Path
from typing import Any

import torch
from vllm.config import CacheConfig, ModelConfig, SchedulerConfig, VllmConfig
from vllm.sampling_params import SamplingParams
from vllm.utils.hashing import sha256
from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash
from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
from vllm.v1.outputs import ModelRunnerOutput
from vllm.v1.request import Request, RequestStatus
from vllm.v1.structured_output import StructuredOutputManager

from holdfast_vllm import HoldfastAsyncScheduler, HoldfastScheduler

BLOCK_TOKENS = 16
MODEL = Path(os.environ.get("HOLDFAST_VLLM_CACHE", Path.home() / ".cache" / "holdfast" / "vllm")) / "model"


class DrivenScheduler:
    """A scheduler and the steps under way: one, or with asynchronous scheduling two that overlap."""

    def __init__(self, *, is_async: bool, blocks: int = 65, max_num_seqs: int = 6, budget: int = 128) -> None:
        self.random = random.Random(7)  # noqa: S311
        kind = HoldfastAsyncScheduler if is_async else HoldfastScheduler
        self.depth = 2 if is_async else 1
        config = _vllm_config(blocks, max_num_seqs, budget)
        group = KVCacheGroupSpec(
            ["layer"], FullAttentionSpec(block_size=BLOCK_TOKENS, num_kv_heads=1, head_size=1, dtype=torch.float32)
        )
        kv_cache_config = KVCacheConfig(num_blocks=blocks, kv_cache_tensors=[], kv_cache_groups=[group])
        self.scheduler: Any = kind(
            vllm_config=config,
            kv_cache_config=kv_cache_config,
            structured_output_manager=StructuredOutputManager(config),
            block_size=BLOCK_TOKENS,
            log_stats=True,
        )
        self.pin_changes: Counter[str] = Counter()
        self._watch_pins()
        init_none_hash(sha256)
        self._hasher = get_request_block_hasher(BLOCK_TOKENS, sha256)
        self._steps: deque[Any] = deque()
        self._requests = 0
        self.requests: dict[str, Any] = {}
        #: Answers to hints, by request.
        self.answers: dict[str, dict[str, Any]] = {}

    def submit(self, prompt: list[int], *, max_tokens: int, hints: dict[str, Any] | None = None) -> str:
        """Queue a request; returns its id."""
        self._requests += 1
        request_id = f"r{self._requests}"
        extra = None if hints is None else {"kv_transfer_params": {"holdfast": hints}}
        sampling = SamplingParams(max_tokens=max_tokens, ignore_eos=True, extra_args=extra)
        sampling.update_from_generation_config({}, eos_token_id=50_000)
        request = Request(
            request_id=request_id,
            prompt_token_ids=prompt,
            sampling_params=sampling,
            pooling_params=None,
            block_hasher=self._hasher,
        )
        self.requests[request_id] = request
        self.scheduler.add_request(request)
        return request_id

    def cancel(self, request_id: str) -> None:
        """End a request from outside."""
        self.scheduler.finish_requests(request_id, RequestStatus.FINISHED_ABORTED)

    def step(self) -> None:
        """Schedule a step, and take in the one that is due."""
        output = self.scheduler.schedule()
        if output.total_num_scheduled_tokens > 0:
            self._steps.append((output, {key: self._tokens(key, output) for key in output.num_scheduled_tokens}))
        while self._steps and (len(self._steps) >= self.depth or output.total_num_scheduled_tokens == 0):
            self._take_in(*self._steps.popleft())

    def run(self, most_steps: int = 5_000) -> None:
        """Step until nothing waits or runs."""
        for _ in range(most_steps):
            if not self.scheduler.has_unfinished_requests() and not self._steps:
                return
            self.step()
        raise AssertionError(f"requests are left after {most_steps} steps: the queue stalls")

    def _watch_pins(self) -> None:
        """Count what happens to pins, and see that nothing is preempted while a pin could give way."""
        ledger, preempt = self.scheduler._ledger, self.scheduler._preempt_request
        publish = ledger._table._listener

        def count(change: Any, view: Any, reason: Any) -> None:
            self.pin_changes[change.value if reason is None else reason.value] += 1
            publish(change, view, reason)

        def check(*args: Any, **kwargs: Any) -> None:
            assert (ledger.pinned_blocks(), ledger.soft_blocks()) == (0, 0), "a pin could have given way"
            preempt(*args, **kwargs)

        ledger._table._listener = count
        self.scheduler._preempt_request = check

    def close(self) -> None:
        """Stop KvControl."""
        self.scheduler.shutdown()

    def _tokens(self, request_id: str, output: Any) -> list[int]:
        """A request yields a token when its prompt is computed with this step."""
        request = self.scheduler.requests[request_id]
        # The scheduler has counted the step in already.
        is_prefill = request.is_prefill_chunk or output.num_scheduled_tokens[request_id] == 0
        return [] if is_prefill else [self.random.randrange(1_000)]

    def _take_in(self, output: Any, tokens: dict[str, list[int]]) -> None:
        ids = list(output.num_scheduled_tokens)
        sampled = [tokens[request_id] for request_id in ids]
        result = ModelRunnerOutput(
            req_ids=ids, req_id_to_index={key: index for index, key in enumerate(ids)}, sampled_token_ids=sampled
        )
        for batch in self.scheduler.update_from_output(output, result).values():
            for finished in batch.outputs:
                if finished.kv_transfer_params:
                    self.answers[finished.request_id] = finished.kv_transfer_params["holdfast"]


def _vllm_config(blocks: int, max_num_seqs: int, budget: int) -> Any:
    model = ModelConfig(model=str(MODEL), dtype="bfloat16", skip_tokenizer_init=True, max_model_len=1_024)
    cache = CacheConfig(block_size=BLOCK_TOKENS, enable_prefix_caching=True)
    cache.num_gpu_blocks = blocks
    scheduler = SchedulerConfig(
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=budget,
        max_model_len=1_024,
        enable_chunked_prefill=True,
        is_encoder_decoder=False,
        policy="priority",
    )
    return VllmConfig(
        model_config=model,
        cache_config=cache,
        scheduler_config=scheduler,
        additional_config={"holdfast": {"kv_control_address": "127.0.0.1:0"}},
    )
