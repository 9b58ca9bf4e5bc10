"""Prefill that computes some rows and takes the others from stored KV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from holdfast_chunks.kv.variant import SpanKv
from holdfast_chunks.model.llama import Llama

#: Rows that attend together on a CPU: few enough to skip later keys, enough to fill the matrix product.
_BLOCK_ROWS = 128


class PromptKv:
    """Rotated keys, and values, of a prompt and of the answer that grows behind it."""

    def __init__(self, model: Llama, capacity: int) -> None:
        config = model.config
        shape = (config.layers, config.kv_heads, capacity, config.head_dim)
        self._model = model
        self.keys = torch.empty(shape, dtype=model.dtype, device=model.device)
        self.values = torch.empty(shape, dtype=model.dtype, device=model.device)
        self.length = 0

    @property
    def capacity(self) -> int:
        """Tokens that there is room for."""
        return int(self.keys.shape[2])

    def place(self, start: int, span: SpanKv) -> None:
        """Put stored KV at its positions in this prompt, rotating the keys to them."""
        end = start + span.token_count
        positions = torch.arange(start, end, device=self._model.device)
        self._model.rope.rotate(span.keys.to(self.keys), positions, out=self.keys[:, :, start:end])
        self.values[:, :, start:end] = span.values

    def clear(self, start: int, end: int) -> None:
        """Let tokens count as nothing until they are computed: a choice of tokens looks at the KV before that."""
        self.keys[:, :, start:end] = 0
        self.values[:, :, start:end] = 0

    def fork(self, length: int, capacity: int) -> PromptKv:
        """A copy of the first tokens, with room for `capacity` tokens."""
        twin = PromptKv(self._model, capacity)
        twin.keys[:, :, :length] = self.keys[:, :, :length]
        twin.values[:, :, :length] = self.values[:, :, :length]
        twin.length = length
        return twin


@dataclass(frozen=True)
class RowGroup:
    """Rows that are computed together in the first `layers` layers."""

    rows: Sequence[int]
    layers: int


class UnrotatedKeys:
    """Keys of computed rows before rotation, for storing."""

    def __init__(self, model: Llama, tokens: int) -> None:
        config = model.config
        self.keys = torch.zeros(
            (config.layers, config.kv_heads, tokens, config.head_dim), dtype=model.dtype, device=model.device
        )

    def place(self, start: int, span: SpanKv) -> None:
        """Put stored keys at their positions."""
        self.keys[:, :, start : start + span.token_count] = span.keys.to(self.keys)


def attend(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Causal attention of rows at ascending absolute positions over keys 0.. of the prompt."""
    count, span = rows.shape[0], keys.shape[1]
    if count < span and rows.device.type == "cpu" and queries.dtype == torch.float32:
        parts = [
            _attend_block(queries[:, start : start + _BLOCK_ROWS], keys, values, rows[start : start + _BLOCK_ROWS])
            for start in range(0, count, _BLOCK_ROWS)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
    mask = None if count == span else torch.arange(span, device=rows.device)[None, :] <= rows[:, None]
    attended: torch.Tensor = functional.scaled_dot_product_attention(
        queries[None], keys[None], values[None], attn_mask=mask, is_causal=mask is None, enable_gqa=True
    )[0]
    return attended


def _attend_block(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Rows on a CPU by plain products, without the keys behind the block: half the time of PyTorch's fused kernel."""
    (heads, count, dim), kv_heads, seen = queries.shape, keys.shape[0], int(rows[-1]) + 1
    folded = (queries * dim**-0.5).reshape(kv_heads, -1, dim)
    scores = torch.bmm(folded, keys[:, :seen].transpose(1, 2)).view(heads, count, seen)
    scores.masked_fill_(torch.arange(seen)[None, :] > rows[:, None], float("-inf"))
    weights = scores.softmax(-1).view(kv_heads, -1, seen)
    return torch.bmm(weights, values[:, :seen]).view(heads, count, dim)


#: Sees each layer's number, rotated queries and rows, after their keys are in place.
Observer = Callable[[int, torch.Tensor, torch.Tensor], None]


def prefill(  # noqa: PLR0913, PLR0917 - the last two are for storing only
    model: Llama,
    token_ids: torch.Tensor,
    kv: PromptKv,
    groups: Sequence[RowGroup],
    unrotated: UnrotatedKeys | None = None,
    observer: Observer | None = None,
) -> torch.Tensor:
    """Compute the rows of the groups layer by layer over `kv`, which holds the others. Returns their last hidden rows.

    Rows of a group leave after its number of layers; above them their stored KV is used. The last prompt token must be
    in a group with all layers.
    """
    total = int(token_ids.shape[0])
    depth = torch.zeros(total, dtype=torch.long)
    for group in groups:
        depth[torch.tensor(list(group.rows), dtype=torch.long)] = group.layers
    rows = torch.nonzero(depth > 0).flatten()
    depth = depth[rows].to(model.device)
    rows = rows.to(model.device)
    hidden = model.embed(token_ids[rows])
    for layer in range(model.config.layers):
        if layer > 0 and bool((depth <= layer).any()):
            keep = depth > layer
            rows, hidden, depth = rows[keep], hidden[keep], depth[keep]
        queries, keys, values = model.project(layer, hidden)
        kv.keys[layer].index_copy_(1, rows, model.rope.rotate(keys, rows))
        kv.values[layer].index_copy_(1, rows, values)
        if unrotated is not None:
            unrotated.keys[layer].index_copy_(1, rows, keys)
        turned = model.rope.rotate(queries, rows)
        if observer is not None:
            observer(layer, turned, rows)
        attended = attend(turned, kv.keys[layer][:, :total], kv.values[layer][:, :total], rows)
        hidden = model.finish(layer, hidden, attended)
    kv.length = total
    return hidden


def extend(model: Llama, token_ids: torch.Tensor, kv: PromptKv) -> torch.Tensor:
    """Compute tokens behind `kv.length`. Returns their last hidden rows."""
    start, end = kv.length, kv.length + int(token_ids.shape[0])
    rows = torch.arange(start, end, device=model.device)
    hidden = model.embed(token_ids)
    for layer in range(model.config.layers):
        queries, keys, values = model.project(layer, hidden)
        kv.keys[layer][:, start:end] = model.rope.rotate(keys, rows)
        kv.values[layer][:, start:end] = values
        attended = attend(model.rope.rotate(queries, rows), kv.keys[layer][:, :end], kv.values[layer][:, :end], rows)
        hidden = model.finish(layer, hidden, attended)
    kv.length = end
    return hidden
