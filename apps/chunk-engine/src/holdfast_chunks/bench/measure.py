"""One item under every method: divergence from full recompute, likelihood of the gold answer, time to first token."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from holdfast_chunks.bench.methods import Method, plan_of
from holdfast_chunks.bench.sample import Chunk, Item, Sample
from holdfast_chunks.bench.stores import build_stores
from holdfast_chunks.kv.store import VariantStore
from holdfast_chunks.run.executor import Executor, Prefilled
from holdfast_chunks.run.plan import Plan, Segment, Work
from holdfast_chunks.run.prefill import PromptKv, extend

#: The answer under full recompute is compared over at most as many tokens.
ANSWER_TOKENS = 12
_SALT = "bench"
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
        self._store = store
        self._sample = sample
        self._clock = clock_of(executor.model.device)

    def measure(self, item: Item, methods: Sequence[Method]) -> dict[str, Outcome]:
        """Every method, `full`, and the references `reordered` and `no-chunks`."""
        stores = build_stores(self._executor, self._sample, item)
        prompt = self._prompt(item.chunks, item)
        full = _computed(len(prompt))
        self._prefill(prompt, full)  # warms caches up, so that the first timed run is like the others
        done, first_ms = self._prefill(prompt, full)
        answer, expected = self._greedy(done)
        outcomes: dict[str, Outcome] = {}
        for method in methods:
            plan = plan_of(method, len(self._sample.system), item, stores)
            reused, ttft_ms = self._prefill(prompt, plan)
            if any(work.miss for work in reused.work):
                raise AssertionError(f"{method.key}: a variant that was just built is missing")
            outcomes[method.key] = self._compare(reused, item, answer, expected, ttft_ms)
        for name, chunks in (("reordered", item.chunks[::-1]), ("no-chunks", ())):
            other = self._prompt(chunks, item)
            reference, ttft_ms = self._prefill(other, _computed(len(other)))
            outcomes[name] = self._compare(reference, item, answer, expected, ttft_ms)
        again, second_ms = self._prefill(prompt, full)
        outcomes["full"] = self._compare(again, item, answer, expected, (first_ms + second_ms) / 2)
        self._store.evict_where(lambda _: True, "the item is done")
        full_ms = (first_ms + second_ms) / 2
        return {key: _relative(outcome, full_ms) for key, outcome in outcomes.items()}

    def _prompt(self, chunks: Sequence[Chunk], item: Item) -> list[int]:
        return [*self._sample.system, *(token for chunk in chunks for token in chunk.token_ids), *item.question]

    def _prefill(self, prompt: Sequence[int], plan: Plan) -> tuple[Prefilled, float]:
        began = self._clock()
        done = self._executor.prefill(prompt, plan, salt=_SALT, room=_ROOM)
        int(self._executor.model.logits(done.hidden[-1:]).argmax())
        return done, 1e3 * (self._clock() - began)

    def _greedy(self, done: Prefilled) -> tuple[list[int], torch.Tensor]:
        model, kv, prompt_tokens = self._executor.model, done.kv, done.kv.length
        answer: list[int] = []
        rows = [model.logits(done.hidden[-1:])]
        while len(answer) < ANSWER_TOKENS:
            answer.append(int(rows[-1].argmax()))
            if answer[-1] in model.config.stop_token_ids or len(answer) == ANSWER_TOKENS:
                break
            rows.append(model.logits(extend(model, _ids(model.device, answer[-1:]), kv)))
        kv.length = prompt_tokens
        return answer, torch.cat(rows).log_softmax(-1)

    def _forced(self, kv: PromptKv, hidden: torch.Tensor, forced: Sequence[int]) -> torch.Tensor:
        model, prompt_tokens = self._executor.model, kv.length
        rows = [model.logits(hidden[-1:])]
        if len(forced) > 1:
            rows.append(model.logits(extend(model, _ids(model.device, forced[:-1]), kv)))
        kv.length = prompt_tokens
        return torch.cat(rows).log_softmax(-1)

    def _compare(
        self, done: Prefilled, item: Item, answer: Sequence[int], expected: torch.Tensor, ttft_ms: float
    ) -> Outcome:
        got = self._forced(done.kv, done.hidden, answer)
        gold = self._forced(done.kv, done.hidden, item.gold)
        likelihood = gold.gather(1, _ids(gold.device, item.gold)[:, None]).sum()
        chunk_work = [work for work in done.work if 0 < work.segment.segment_id < len(done.work) - 1]
        recomputed = sum(len(work.recomputed) for work in chunk_work)
        tokens = sum(work.segment.length for work in chunk_work)
        return Outcome(
            kl=float((expected.exp() * (expected - got)).sum(-1).mean()),
            same_answer=bool((expected.argmax(-1) == got.argmax(-1)).all()),
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


def _relative(outcome: Outcome, full_ms: float) -> Outcome:
    return Outcome(outcome.kl, outcome.same_answer, outcome.gold, outcome.ttft_ratio / full_ms, outcome.share)


def _computed(tokens: int) -> Plan:
    return Plan((Segment(0, 0, tokens, Work.COMPUTE),))


def _ids(device: torch.device, token_ids: Sequence[int]) -> torch.Tensor:
    return torch.tensor(list(token_ids), device=device)
