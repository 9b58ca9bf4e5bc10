"""Whatever happens to pins, no block is lost, given back twice, or held by nobody."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from holdfast_vllm.errors import HoldfastError, Reason
from holdfast_vllm.pins.pin import PinTerms
from tests.unit.bench import Bench

PROGRAMS = st.sampled_from(["a", "b", "c", "d", "e"])
VALUES = st.sampled_from([0.0, 1.0, 2.0, 5.0, math.inf])
TERMS = st.builds(PinTerms, ttl_ms=st.integers(1, 3_000), soft=st.booleans(), value=VALUES)
TOTAL_BLOCKS = 16


def chain(program_id: str, length: int) -> list[bytes]:
    """Keys of a program. All programs share the first two blocks, as with a common system prompt."""
    return [f"{'common' if index < 2 else program_id}/{index}".encode() for index in range(length)]


class PinMachine(RuleBasedStateMachine):
    """Requests run and end, pins come and go, memory gets short."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(TOTAL_BLOCKS, max_pinned_fraction=0.75)
        self.running: list[tuple[str, list[bytes], list[int]]] = []

    def start(self, program_id: str, length: int) -> None:
        """Take hits, then new blocks; the caller knows that they fit."""
        keys = chain(program_id, length)
        hits = self.bench.store.resident_prefix(keys)
        self.bench.store.hold(hits)
        self.bench.ledger.take_over(program_id)
        self.running.append((program_id, keys, [*hits, *self.bench.store.allocate(keys[len(hits) :])]))

    @rule(program_id=PROGRAMS, length=st.integers(1, 9), bid=VALUES)
    def admit(self, program_id: str, length: int, bid: float) -> None:
        bench = self.bench
        keys = chain(program_id, length)
        hits = frozenset(bench.store.resident_prefix(keys))
        before = {view.program_id: view for view in bench.ledger.pins()}
        options = {"bid": bid, "program_id": program_id, "nothing_runs": not self.running}
        admitted = bench.admit(length - len(hits), hits=hits, **options)  # type: ignore[arg-type]
        after = {view.program_id: view for view in bench.ledger.pins()}
        if not admitted:
            assert after == before, "a request that does not fit takes no pin"
            assert self.running, "the queue stalls"
            return
        for gone in before.keys() - after.keys() - {program_id}:
            assert before[gone].soft or before[gone].value < bid or not self.running, "a pin above the bid was taken"
        self.start(program_id, length)

    @precondition(lambda self: self.running)
    @rule(wanted=st.integers(1, 4))
    def grow(self, wanted: int) -> None:
        bench = self.bench
        used = {block for _, _, blocks in self.running for block in blocks}
        got = bench.grow(wanted)
        if not got:
            assert bench.store.free_blocks == TOTAL_BLOCKS - len(used), "a pin could have given way"

    @precondition(lambda self: self.running)
    @rule(index=st.integers(0, 7), pin=st.none() | TERMS, is_last=st.booleans())
    def finish(self, index: int, pin: PinTerms | None, is_last: bool) -> None:
        program_id, keys, blocks = self.running.pop(index % len(self.running))
        self.bench.ledger.finish_turn(program_id, keys, blocks, pin=pin, is_last=is_last)
        self.bench.store.give_back(blocks)

    @precondition(lambda self: self.running)
    @rule(index=st.integers(0, 7))
    def cancel(self, index: int) -> None:
        _, _, blocks = self.running.pop(index % len(self.running))
        self.bench.store.give_back(blocks)

    @rule(program_id=PROGRAMS, terms=TERMS)
    def pin(self, program_id: str, terms: PinTerms) -> None:
        before = self.bench.ledger.pins()
        try:
            self.bench.ledger.pin(program_id, terms)
        except HoldfastError as error:
            assert error.reason in (Reason.KV_NOT_RESIDENT, Reason.PIN_CAP_REACHED)
            assert self.bench.ledger.pins() == before

    @rule(program_id=PROGRAMS, ttl_ms=st.integers(1, 3_000), value=st.none() | VALUES)
    def renew(self, program_id: str, ttl_ms: int, value: float | None) -> None:
        held = program_id in {view.program_id for view in self.bench.ledger.pins()}
        try:
            self.bench.ledger.renew(program_id, ttl_ms=ttl_ms, value=value)
        except HoldfastError:
            assert not held

    @rule(program_id=PROGRAMS)
    def release(self, program_id: str) -> None:
        held = program_id in {view.program_id for view in self.bench.ledger.pins()}
        assert self.bench.ledger.release(program_id) is held

    @rule(milliseconds=st.integers(1, 2_000))
    def wait(self, milliseconds: int) -> None:
        self.bench.now += milliseconds / 1_000

    @invariant()
    def every_block_is_accounted_for(self) -> None:
        bench = self.bench
        views = bench.ledger.pins()
        assert all(0 < view.expires_in_ms <= 3_000 and view.blocks > 0 for view in views)
        pins, pinned, soft = bench.counts
        used = Counter(block for _, _, blocks in self.running for block in blocks)
        assert pins == len(views)
        assert pinned <= TOTAL_BLOCKS * 0.75
        assert bench.store.free_blocks + pinned + soft + len(used) == TOTAL_BLOCKS
        references = sum(bench.store.references(block) for block in range(TOTAL_BLOCKS))
        assert references == used.total() + sum(view.blocks for view in views)

    def teardown(self) -> None:
        for _, _, blocks in self.running:
            self.bench.store.give_back(blocks)
        self.bench.now += 10
        assert self.bench.ledger.pins() == []
        assert self.bench.store.free_blocks == TOTAL_BLOCKS


TestPinMachine = PinMachine.TestCase
TestPinMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
