"""Attention masses of segments while they are computed (arXiv:2502.15734, Eq. 3, 4 and 14)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch

from holdfast_chunks.model.llama import Llama
from holdfast_chunks.run.prefill import PromptKv

Block = tuple[int, int]


@dataclass(frozen=True)
class SegmentMasses:
    """What the tokens of a segment attended to; heads are averaged, and layers but for `inter_by_layer`."""

    inter: tuple[float, ...]  # to each earlier segment
    intra: float
    #: Of each token to all earlier segments but the one at position 0, which draws attention whatever it says.
    token_inter: tuple[float, ...]
    inter_by_layer: tuple[tuple[float, ...], ...]


@dataclass
class _Sums:
    inter: list[list[float]]
    intra: float
    by_token: torch.Tensor


class MassRecorder:
    """Sums the attention of the `wanted` blocks; the blocks tile the prompt. Modifies its own sums.

    Only the rows of one block are weighed at a time, so memory grows with block times prompt, not with the prompt's
    square.
    """

    def __init__(self, model: Llama, kv: PromptKv, blocks: Sequence[Block], wanted: Collection[int]) -> None:
        self._model = model
        self._kv = kv
        self._blocks = tuple(blocks)
        self._sums = {at: _Sums([], 0.0, torch.zeros(blocks[at][1] - blocks[at][0])) for at in sorted(wanted)}

    def __call__(self, layer: int, queries: torch.Tensor, rows: torch.Tensor) -> None:
        """Add one layer; queries are rotated, `[heads, rows, dim]`."""
        edges = torch.tensor([edge for at in self._sums for edge in self._blocks[at]], device=rows.device)
        places = torch.searchsorted(rows, edges).tolist()
        for (at, sums), low, high in zip(self._sums.items(), places[::2], places[1::2], strict=True):
            start, end = self._blocks[at]
            if high - low != end - start:
                raise ValueError(f"block {at} is recorded, but only {high - low} of {end - start} rows are computed")
            weights = self._weights(layer, queries[:, low:high], start, end)
            sent = [weights[:, first:last].sum(1) for first, last in self._blocks[:at]]
            sums.inter.append([float(column.sum()) for column in sent])
            sums.intra += float(weights[:, start:].sum())
            for column in sent[1:]:
                sums.by_token += column

    def masses(self, at: int) -> SegmentMasses:
        """Of one wanted block, once all layers were seen."""
        sums, layers = self._sums[at], self._model.config.layers
        return SegmentMasses(
            inter=tuple(sum(column) / layers for column in zip(*sums.inter, strict=True)),
            intra=sums.intra / layers,
            token_inter=tuple(float(value) / layers for value in sums.by_token),
            inter_by_layer=tuple(tuple(row) for row in sums.inter),
        )

    def _weights(self, layer: int, queries: torch.Tensor, start: int, end: int) -> torch.Tensor:
        """Softmax weights `[rows, end]` of a block, mean over the heads."""
        config, count = self._model.config, end - start
        folded = queries.reshape(config.kv_heads, -1, config.head_dim)
        scores = (folded @ self._kv.keys[layer][:, :end].transpose(1, 2)).float() / config.head_dim**0.5
        scores = scores.view(config.heads, count, end)
        future = torch.ones((count, count), dtype=torch.bool, device=scores.device).triu(1)
        scores[:, :, start:].masked_fill_(future, float("-inf"))
        weights: torch.Tensor = scores.softmax(-1).mean(0).cpu()
        return weights
