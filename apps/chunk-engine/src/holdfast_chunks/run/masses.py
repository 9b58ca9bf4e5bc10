"""Attention masses of a chunk while it is computed (arXiv:2502.15734, Eq. 3, 4 and 14)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from holdfast_chunks.kv.variant import VariantStats
from holdfast_chunks.model.llama import Llama
from holdfast_chunks.run.prefill import PromptKv


class MassRecorder:
    """Sums attention of the tokens from `start` on, to earlier blocks and among themselves. Modifies its own sums.

    Only the rows of the chunk are weighed, so memory grows with chunk times prompt, not with the prompt's square.
    """

    def __init__(self, model: Llama, kv: PromptKv, start: int, blocks: Sequence[tuple[int, int]]) -> None:
        self._model = model
        self._kv = kv
        self._start = start
        self._blocks = tuple(blocks)
        self._inter = torch.zeros(len(self._blocks))
        self._intra = 0.0
        self._token_inter: torch.Tensor | None = None

    def __call__(self, layer: int, queries: torch.Tensor, rows: torch.Tensor) -> None:
        """Add one layer; queries are rotated, `[heads, rows, dim]`."""
        mine = rows >= self._start
        queries, rows = queries[:, mine], rows[mine]
        config, total = self._model.config, int(rows[-1]) + 1
        keys = self._kv.keys[layer][:, :total].repeat_interleave(config.heads // config.kv_heads, 0)
        scores = queries @ keys.transpose(1, 2) / config.head_dim**0.5
        future = torch.arange(total, device=rows.device)[None, :] > rows[:, None]
        weights = scores.masked_fill(future, float("-inf")).float().softmax(-1).mean(0).cpu()
        sent = [weights[:, low:high].sum(1) for low, high in self._blocks]
        self._inter += torch.tensor([float(column.sum()) for column in sent])
        self._intra += float(weights[:, self._start :].sum())
        by_token = torch.stack(sent).sum(0) if sent else torch.zeros(weights.shape[0])
        self._token_inter = by_token if self._token_inter is None else self._token_inter + by_token

    def stats(self) -> VariantStats:
        """Means over the layers."""
        layers = self._model.config.layers
        by_token = self._token_inter if self._token_inter is not None else torch.zeros(0)
        return VariantStats(
            inter=tuple(float(value) / layers for value in self._inter),
            intra=self._intra / layers,
            token_inter=tuple(float(value) / layers for value in by_token),
        )
