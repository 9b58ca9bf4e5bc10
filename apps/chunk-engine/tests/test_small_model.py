"""The equalities on trained weights: the small model of the set-up, in float32."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from holdfast_chunks.kv.files import KvFolder
from holdfast_chunks.kv.store import VariantStore
from holdfast_chunks.kv.variant import Variant
from holdfast_chunks.model.llama import load_llama
from holdfast_chunks.model.tokens import TextCodec
from holdfast_chunks.run.executor import Executor
from holdfast_chunks.run.plan import Fix, Plan, Segment, Selector, Work
from holdfast_chunks.service.neutral import NEUTRAL_TEXT

pytestmark = pytest.mark.model

FOREIGN = "Copper conducts heat well, which is why the pans of a good kitchen often have a copper core. "
CHUNK = NEUTRAL_TEXT
QUESTION = "Question: what bird takes frogs with its bill?\nAnswer:"


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(os.environ["HOLDFAST_CHUNKS_MODEL"])


def test_trained_weights_keep_the_equalities(folder: Path, tmp_path: Path) -> None:
    cpu, codec = torch.device("cpu"), TextCodec(folder)
    store = VariantStore(KvFolder(tmp_path, fingerprint="test"), memory_bytes=1 << 30, disk_bytes=1 << 30)
    executor = Executor(load_llama(folder, dtype=torch.float32, device=cpu), store)
    system, chunk, question = codec.encode("Be brief.\n"), codec.encode(CHUNK), codec.encode(QUESTION)
    prompt = [*system, *chunk, *question]
    edges = (len(system), len(system) + len(chunk), len(prompt))
    named = Variant("", 0, "c", (), "", "", "", b"", 0, 0, b"", is_canonical=True, byte_count=0)
    executor.build(replace(named, variant_id="system"), [()], system)
    executor.build(replace(named, variant_id="same"), [system], chunk)
    executor.build(replace(named, variant_id="foreign"), [codec.encode(FOREIGN * 3)], chunk)

    def logits(work: Work, name: str, fix: Fix | None = None) -> torch.Tensor:
        parts = (
            Segment(0, 0, edges[0], Work.PREFIX, variant_id="system"),
            Segment(1, edges[0], edges[1], work, variant_id=name, fix=fix),
            Segment(2, edges[1], edges[2], Work.COMPUTE),
        )
        done = executor.prefill(prompt, Plan(parts), salt="", room=0)
        assert not any(item.miss for item in done.work)
        return executor.model.logits(done.hidden[-len(question) :])

    full = executor.model.logits(
        executor.prefill(prompt, Plan((Segment(0, 0, len(prompt), Work.COMPUTE),)), salt="", room=0).hidden[
            -len(question) :
        ]
    )
    everything = Fix(Selector.PLAN, tokens=((0, len(chunk)),))
    assert float((logits(Work.REUSE, "foreign") - full).abs().max()) > 0.1
    assert float((logits(Work.REUSE, "foreign", everything) - full).abs().max()) < 1e-3
    assert torch.equal(logits(Work.REUSE, "same"), logits(Work.PREFIX, "same"))
    assert float((logits(Work.REUSE, "same") - full).abs().max()) < 1e-3
