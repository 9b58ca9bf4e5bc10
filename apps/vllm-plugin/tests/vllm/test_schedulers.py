"""Both scheduler classes inside vLLM's own scheduler, with its own block pool, step by step."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

# Importing vLLM warns of what others have deprecated.
pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("default")]

PROMPT = 161
VALUES: list[float | str] = [0, 1, 5, "inf"]


@pytest.fixture(params=[False, True], ids=["synchronous", "asynchronous"])
def driven(request: pytest.FixtureRequest) -> Iterator[Any]:
    from tests.vllm.driven_scheduler import DrivenScheduler  # noqa: PLC0415

    scheduler = DrivenScheduler(is_async=request.param)
    yield scheduler
    scheduler.close()


def prompt_of(seed: int, tokens: int = PROMPT) -> list[int]:
    numbers = random.Random(seed)  # noqa: S311
    return [numbers.randrange(40_000) for _ in range(tokens)]


def hinted(program_id: str, *, value: float | str = "inf", soft: bool = False, **rest: Any) -> dict[str, Any]:
    return {"program": program_id, "pin": {"ttlMs": 600_000, "soft": soft, "value": value}, **rest}


def check_pool(driven: Any) -> None:
    stats = driven.scheduler.stats()
    assert stats.free_blocks + stats.evictable_blocks + stats.pinned_blocks + stats.active_blocks == 64
    assert min(stats.free_blocks, stats.evictable_blocks, stats.pinned_blocks, stats.active_blocks) >= 0


def test_a_finished_turn_is_pinned_and_its_next_turn_hits(driven: Any) -> None:
    first = driven.submit(prompt_of(1), max_tokens=4, hints=hinted("a"))
    driven.run()
    assert driven.answers[first]["pinnedBlocks"] == 10
    for seed in range(2, 8):
        driven.submit(prompt_of(seed, 500), max_tokens=2)
        driven.run()
    driven.submit(prompt_of(1), max_tokens=2, hints={"program": "a", "last": True})
    driven.run()
    assert driven.scheduler.stats().cached_tokens == 160
    assert driven.scheduler.stats().pins == 0


def test_growth_takes_pins_before_it_preempts(driven: Any) -> None:
    for seed in range(3):
        driven.submit(prompt_of(10 + seed), max_tokens=1, hints=hinted(f"p{seed}", value=seed))
    driven.run()
    # 34 blocks are left. Three requests start with 33 and end with 63.
    for seed in range(3):
        driven.submit(prompt_of(20 + seed), max_tokens=170)
    driven.run()
    stats = driven.scheduler.stats()
    assert (stats.preemptions, stats.pins) == (0, 0)


def test_preempted_requests_run_again_and_are_pinned_once(driven: Any) -> None:
    ids = [
        driven.submit(prompt_of(30 + seed), max_tokens=60, hints=hinted(f"p{seed}", value=0, rank=seed))
        for seed in range(5)
    ]
    driven.run()
    stats = driven.scheduler.stats()
    assert stats.preemptions > 0
    assert all(len(driven.requests[request_id].output_token_ids) == 60 for request_id in ids)
    assert stats.output_tokens == 300
    assert driven.requests[ids[0]].num_preemptions == 0, "the smallest rank is preempted last"
    assert [request.priority for request in driven.requests.values()] == [0, 1, 2, 3, 4]
    check_pool(driven)


def test_the_queue_follows_ranks_and_preempted_requests_come_first(driven: Any) -> None:
    order: list[str] = []
    driven.scheduler.max_num_active_reqs = 1
    running = driven.submit(prompt_of(40, 20), max_tokens=8, hints={"program": "running", "rank": 9})
    driven.step()
    names = {"late": (2, 20), "early": (2, 10), "first": (1, 30)}
    ids = {
        driven.submit(prompt_of(rank * 100 + at, 20), max_tokens=1, hints=_ranked(name, rank, at)): name
        for name, (rank, at) in names.items()
    }
    driven.scheduler.reset_prefix_cache(reset_running_requests=True)
    while driven.scheduler.has_unfinished_requests():
        driven.step()
        order += [ids.get(key, "running") for key in driven.answers if ids.get(key, "running") not in order]
    assert order == ["running", "first", "early", "late"]
    assert driven.requests[running].num_preemptions == 1


def test_a_new_rank_moves_a_waiting_request_and_leaves_preempted_ones_in_front(driven: Any) -> None:
    scheduler = driven.scheduler
    scheduler.max_num_active_reqs = 1
    ids = {driven.submit(prompt_of(40, 20), max_tokens=8, hints=_named("running", 9)): "running"}
    driven.step()
    for rank, name in enumerate(["a", "b", "c"]):
        ids[driven.submit(prompt_of(60 + rank, 20), max_tokens=1, hints=_named(name, rank))] = name
    scheduler.reset_prefix_cache(reset_running_requests=True)
    assert all([scheduler.rerank("c", -5), scheduler.rerank("a", 7), scheduler.rerank("running", 50)])
    order = _order_of_ends(driven, ids)
    assert order == ["running", "c", "b", "a"]
    priorities = {ids[request_id]: request.priority for request_id, request in driven.requests.items()}
    assert priorities == {"running": 50, "a": 7, "b": 1, "c": -5}
    assert not scheduler.rerank("a", 1)
    assert not scheduler.rerank("nobody", 1)


def test_a_new_rank_of_a_running_request_decides_who_is_preempted(driven: Any) -> None:
    ids = [
        driven.submit(prompt_of(30 + seed), max_tokens=60, hints={**_named(f"p{seed}", seed), "bid": 0})
        for seed in range(5)
    ]
    driven.step()
    assert driven.scheduler.rerank("p0", 9)
    assert driven.scheduler.rerank("p4", -1)
    driven.run()
    preemptions = [driven.requests[request_id].num_preemptions for request_id in ids]
    assert preemptions[4] == 0
    assert preemptions[0] == max(preemptions) > 0
    assert [request.priority for request in driven.requests.values()] == [9, 1, 2, 3, -1]
    check_pool(driven)


def test_new_ranks_at_any_time_lose_no_request(driven: Any) -> None:
    numbers = random.Random(5)  # noqa: S311
    names: list[str] = []
    for number in range(120):
        names.append(f"n{number}")
        prompt = prompt_of(3_000 + number, numbers.randrange(20, 300))
        driven.submit(prompt, max_tokens=numbers.randrange(1, 60), hints=_named(names[-1], numbers.randrange(9)))
        for _ in range(numbers.randrange(4)):
            driven.scheduler.rerank(numbers.choice(names), numbers.randrange(-9, 9))
            driven.step()
        waiting = driven.scheduler.waiting._heap
        assert all(not waiting[at] < waiting[(at - 1) // 2] for at in range(1, len(waiting))), "it is no heap"
    driven.run()
    assert len(driven.answers) == len(names)
    assert driven.scheduler.stats().preemptions > 0
    assert driven.scheduler._named == {}
    check_pool(driven)


def test_nothing_leaks_whatever_comes(driven: Any) -> None:
    numbers = random.Random(3)  # noqa: S311
    contexts: dict[str, list[int]] = {f"p{index}": prompt_of(50 + index, 40) for index in range(9)}
    for round_number in range(250):
        program_id = numbers.choice(sorted(contexts))
        context = contexts[program_id]
        if len(context) > 500:
            context[:] = prompt_of(1_000 + round_number, 40)
        hints = hinted(
            program_id,
            value=numbers.choice(VALUES),
            soft=numbers.random() < 0.3,
            rank=numbers.randrange(5),
            bid=numbers.choice([0, 2, 9]),
            last=numbers.random() < 0.1,
        )
        request_id = driven.submit(list(context), max_tokens=numbers.randrange(1, 90), hints=hints)
        context += prompt_of(2_000 + round_number, numbers.randrange(5, 90))
        for _ in range(numbers.randrange(9)):
            driven.step()
            check_pool(driven)
        if numbers.random() < 0.1:
            driven.cancel(request_id)
    driven.run()
    stats = driven.scheduler.stats()
    assert (stats.running_requests, stats.waiting_requests, stats.active_blocks) == (0, 0, 0)
    assert stats.pins > 0
    assert stats.preemptions > 0
    assert {"set", "hit", "released", "growth", "outbid", "stall"} <= driven.pin_changes.keys()
    assert driven.scheduler.reset_prefix_cache()
    assert driven.scheduler.stats().free_blocks == 64
    pool = driven.scheduler.kv_cache_manager.block_pool
    assert all(block.ref_cnt == 0 for block in pool.blocks if not block.is_null)


def _named(name: str, rank: int) -> dict[str, Any]:
    return {"program": name, "request": name, "rank": rank}


def _order_of_ends(driven: Any, names: dict[str, str]) -> list[str]:
    """Names in the order in which their requests end."""
    order: list[str] = []
    while driven.scheduler.has_unfinished_requests():
        driven.step()
        order += [names[key] for key in driven.answers if names[key] not in order]
    return order


def _ranked(program_id: str, rank: int, arrival_ms: int) -> dict[str, Any]:
    return {"program": program_id, "rank": rank, "arrivalMs": arrival_ms}
