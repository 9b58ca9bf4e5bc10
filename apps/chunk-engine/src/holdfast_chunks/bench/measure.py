"""One item under every method: divergence from full recompute, likelihood of the gold answer, time to first token."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from holdfast_chunks.bench.methods import Method, plan_of
from holdfast_chunks.bench.sample import Chunk, Item, Sample
from holdfast_chunks.bench.stores import SALT, StoreBuilder
from holdfast_chunks.kv.store import VariantStore
from holdfast_chunks.run.decode import Sampling, compare, decode, forced_log_softmax
from holdfast_chunks.run.executor import Executor, Prefilled
from holdfast_chunks.run.plan import Plan, Segment, Work

#: The answer under full recompute is compared over at most as many tokens.
ANSWER_TOKENS = 12
#: Room for the longer of answer and gold answer.
_ROOM = 64


@dataclass(frozen=True)
class Outcome:
    """One method on one item."""

    kl: float
    same_answer: bool
    gold: float
    ttft_ratio: float
    share: float


class Bench:
    """Measures items one after another. Modifies the store."""

    def __init__(self, executor: Executor, store: VariantStore, sample: Sample) -> None:
        self._executor = executor
        self._sample = sample
        self._builder = StoreBuilder(executor, store, sample)
        self._clock = clock_of(executor.model.device)

    def measure(self, item: Item, methods: Sequence[Method], *, with_references: bool) -> dict[str, Outcome]:
        """The methods; with references also `full` once more, `reordered` and `no-chunks`."""
        stores = self._builder.stores(item)
        prompt = self._prompt(item.chunks, item)
        done, full_ms = self._prefill(prompt, _computed(len(prompt)))
        answer, expected = self._greedy(done)
        outcomes: dict[str, Outcome] = {}
        for method in methods:
            plan = plan_of(method, len(self._sample.system), item, stores)
            reused, ttft_ms = self._prefill(prompt, plan)
            if any(work.miss for work in reused.work):
                raise AssertionError(f"{method.key}: a variant that was just built is missing")
            outcomes[method.key] = self._compare(reused, item, answer, expected, ttft_ms)
        references = {"full": item.chunks, "reordered": item.chunks[::-1], "no-chunks": ()} if with_references else {}
        for name, chunks in references.items():
            other = self._prompt(chunks, item)
            reference, ttft_ms = self._prefill(other, _computed(len(other)))
            outcomes[name] = self._compare(reference, item, answer, expected, ttft_ms)
        return {key: replace(outcome, ttft_ratio=outcome.ttft_ratio / full_ms) for key, outcome in outcomes.items()}

    def _prompt(self, chunks: Sequence[Chunk], item: Item) -> list[int]:
        return [*self._sample.system, *(token for chunk in chunks for token in chunk.token_ids), *item.question]

    def _prefill(self, prompt: Sequence[int], plan: Plan) -> tuple[Prefilled, float]:
        began = self._clock()
        done = self._executor.prefill(prompt, plan, salt=SALT, room=_ROOM)
        int(self._executor.model.logits(done.hidden[-1:]).argmax())
        return done, 1e3 * (self._clock() - began)

    def _greedy(self, done: Prefilled) -> tuple[list[int], torch.Tensor]:
        model, prompt_tokens = self._executor.model, done.kv.length
        answer = [token.token_id for token in decode(model, done.hidden, done.kv, Sampling(ANSWER_TOKENS))]
        done.kv.length = prompt_tokens
        return answer, forced_log_softmax(model, done.hidden, done.kv, answer)

    def _compare(
        self, done: Prefilled, item: Item, answer: Sequence[int], expected: torch.Tensor, ttft_ms: float
    ) -> Outcome:
        model = self._executor.model
        shadow = compare(expected, forced_log_softmax(model, done.hidden, done.kv, answer), answer)
        gold = forced_log_softmax(model, done.hidden, done.kv, item.gold)
        likelihood = gold.gather(1, torch.tensor(item.gold, device=gold.device)[:, None]).sum()
        chunk_work = [work for work in done.work if 0 < work.segment.segment_id < len(done.work) - 1]
        recomputed = sum(len(work.recomputed) for work in chunk_work)
        tokens = sum(work.segment.length for work in chunk_work)
        return Outcome(
            kl=shadow.kl_per_token,
            # Each token is the best one after the same tokens before it: decoding would have chosen the same text.
            same_answer=shadow.same_top_share == 1.0,
            gold=float(likelihood),
            ttft_ratio=ttft_ms,
            share=recomputed / tokens if tokens else 1.0,
        )


def clock_of(device: torch.device) -> Callable[[], float]:
    """Seconds: of this thread's processor time when all the work is on it, else of the wall.

    Processor time is what the wall shows on an idle machine, without the waits for other processes.
    """
    if device.type == "cuda":

        def synchronised() -> float:
            torch.cuda.synchronize(device)
            return time.perf_counter()

        return synchronised
    return time.thread_time if torch.get_num_threads() == 1 else time.perf_counter


def _computed(tokens: int) -> Plan:
    return Plan((Segment(0, 0, tokens, Work.COMPUTE),))
