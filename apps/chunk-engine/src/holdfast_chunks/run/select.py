"""Which tokens of reused segments are recomputed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from holdfast_chunks.kv.variant import VariantStats
from holdfast_chunks.model.llama import Llama
from holdfast_chunks.run.plan import Selector
from holdfast_chunks.run.prefill import PromptKv, attend

#: CacheBlend compares values on the second layer: those of the first never depend on the context.
_CHECK_LAYER = 1


@dataclass(frozen=True)
class Stored:
    """What is known of a reused segment since its variant was built."""

    start: int
    end: int
    stats: VariantStats


def token_scores(  # noqa: PLR0913, PLR0917 - each rule needs another part of the prompt
    selector: Selector,
    model: Llama,
    token_ids: torch.Tensor,
    kv: PromptKv,
    question: Sequence[int],
    stored: Sequence[Stored],
    *,
    seed: int,
) -> torch.Tensor:
    """A score for each token of the prompt; the highest are recomputed first. May change question rows in `kv`."""
    total = int(token_ids.shape[0])
    if selector is Selector.RANDOM:
        return torch.rand(total, generator=torch.Generator().manual_seed(seed))
    if selector is Selector.KV_DEVIATION:
        return value_deviation(model, token_ids, kv, _CHECK_LAYER)
    if selector is Selector.QUERY:
        return question_attention(model, token_ids, kv, question)
    if selector is Selector.VALUE:
        return question_attention(model, token_ids, kv, question) * _spreads(stored, total)
    if selector is Selector.INTER:
        return _inter_masses(stored, total)
    return -torch.arange(total, dtype=torch.float32)


def _inter_masses(stored: Sequence[Stored], total: int) -> torch.Tensor:
    scores = torch.zeros(total)
    for item in stored:
        if item.stats.token_inter:
            scores[item.start : item.end] = torch.tensor(item.stats.token_inter)
    return scores


def _spreads(stored: Sequence[Stored], total: int) -> torch.Tensor:
    """Expected deviation of each token. A variant of one context says nothing, and counts as the mean of the others."""
    known = [value for item in stored for value in item.stats.token_spread]
    scores = torch.full((total,), sum(known) / len(known) if known else 1.0)
    for item in stored:
        if item.stats.token_spread:
            scores[item.start : item.end] = torch.tensor(item.stats.token_spread)
    return scores


def value_deviation(model: Llama, token_ids: torch.Tensor, kv: PromptKv, layer: int) -> torch.Tensor:
    """Squared difference of stored and fresh values at a layer (arXiv:2405.16444)."""
    fresh = fresh_values(model, token_ids, layer)
    return (fresh - kv.values[layer][:, : fresh.shape[1]]).float().square().sum(dim=(0, 2)).cpu()


def fresh_values(model: Llama, token_ids: torch.Tensor, layer: int) -> torch.Tensor:
    """Values `[kv_heads, tokens, dim]` of a layer (from 0) when every token is computed up to there."""
    rows = torch.arange(int(token_ids.shape[0]), device=model.device)
    hidden = model.embed(token_ids)
    for below in range(layer):
        queries, keys, values = model.project(below, hidden)
        attended = attend(model.rope.rotate(queries, rows), model.rope.rotate(keys, rows), values, rows)
        hidden = model.finish(below, hidden, attended)
    return model.project(layer, hidden)[2]


def question_attention(model: Llama, token_ids: torch.Tensor, kv: PromptKv, question: Sequence[int]) -> torch.Tensor:
    """Attention of the question's rows to each token over the stored KV, summed over rows, heads and later layers.

    Tokens are mixed first and looked up afterwards: on questions that nothing is judged by, the attention of the later
    half of the layers named better tokens than that of all of them (docs/chunk-quality.md).

    Writes the rows' KV into `kv`, where the prefill puts the final one.
    """
    config, total = model.config, int(token_ids.shape[0])
    rows = torch.tensor(list(question), device=model.device)
    future = torch.arange(total, device=model.device)[None, :] > rows[:, None]
    hidden = model.embed(token_ids[rows])
    mass = torch.zeros(total, dtype=torch.float32, device=model.device)
    for layer in range(config.layers):
        queries, keys, values = model.project(layer, hidden)
        kv.keys[layer].index_copy_(1, rows, model.rope.rotate(keys, rows))
        kv.values[layer].index_copy_(1, rows, values)
        folded = (model.rope.rotate(queries, rows) * config.head_dim**-0.5).reshape(
            config.kv_heads, -1, config.head_dim
        )
        scores = (folded @ kv.keys[layer][:, :total].transpose(1, 2)).view(config.heads, -1, total)
        weights = scores.masked_fill_(future, float("-inf")).softmax(-1)
        if layer >= config.layers // 2:
            mass += weights.sum(dim=(0, 1), dtype=torch.float32)
        attended = weights.view(config.kv_heads, -1, total) @ kv.values[layer][:, :total]
        hidden = model.finish(layer, hidden, attended.view(config.heads, -1, config.head_dim))
    return mass.cpu()


def best_of(scores: torch.Tensor, candidates: Sequence[int], count: int) -> list[int]:
    """The `count` candidates of highest score, ascending as the candidates are; of equals the earlier one."""
    rows = torch.tensor(candidates, dtype=torch.long)
    order = scores[rows].sort(descending=True, stable=True).indices
    return sorted(rows[order[:count]].tolist())
