"""Which tokens are chosen."""

from __future__ import annotations

from pathlib import Path

import torch

from holdfast_chunks.model.llama import load_llama
from holdfast_chunks.run.prefill import PromptKv, RowGroup, prefill
from holdfast_chunks.run.select import best_of, question_attention
from tests.tiny_model import write_tiny_model


def test_the_highest_scores_are_chosen_in_prompt_order_and_of_equals_the_earlier() -> None:
    scores = torch.tensor([9.0, 1.0, 3.0, 2.0, 3.0, float("inf"), 3.0])
    assert best_of(scores, range(1, 7), 3) == [2, 4, 5]
    assert best_of(scores, [], 3) == []
    assert best_of(scores, [3, 1], 5) == [1, 3]


def test_the_question_s_attention_is_that_of_the_later_layers(tmp_path: Path) -> None:
    model = load_llama(write_tiny_model(tmp_path), dtype=torch.float32, device=torch.device("cpu"))
    ids, question = torch.tensor([7, 8, 9, 40, 41, 42, 90, 91]), [6, 7]
    seen: list[torch.Tensor] = []

    def watch(layer: int, queries: torch.Tensor, rows: torch.Tensor) -> None:
        keys = kv.keys[layer][:, :8].repeat_interleave(model.config.heads // model.config.kv_heads, 0)
        scores = queries @ keys.transpose(1, 2) * model.config.head_dim**-0.5
        weights = scores.masked_fill(torch.arange(8)[None, :] > rows[:, None], float("-inf")).softmax(-1)
        seen.append(weights[:, question].sum((0, 1)))

    kv = PromptKv(model, 8)
    prefill(model, ids, kv, [RowGroup(range(8), model.config.layers)], observer=watch)
    expected = torch.stack(seen[model.config.layers // 2 :]).sum(0)
    assert torch.allclose(question_attention(model, ids, kv, question), expected, atol=1e-5)
    assert not torch.allclose(torch.stack(seen).sum(0), expected, atol=1e-2)
