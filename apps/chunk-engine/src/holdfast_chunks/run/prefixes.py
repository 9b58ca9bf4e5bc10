"""KV of prefixes that chunks are built behind, kept while it is likely to be needed again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch

from holdfast_chunks.model.llama import Llama
from holdfast_chunks.run.prefill import PromptKv, RowGroup, prefill

#: Tokens of all kept prefixes together; a neutral prefix serves every chunk, one of a request its own chunks only.
_KEPT_TOKENS = 10_000


class Prefixes:
    """The KV of the last prefixes. Not thread-safe."""

    def __init__(self, model: Llama) -> None:
        self._model = model
        self._kept: OrderedDict[tuple[int, ...], PromptKv] = OrderedDict()

    def kv_of(self, prefix: Sequence[int], capacity: int) -> PromptKv:
        """KV that begins with the prefix and has room for `capacity` tokens, the caller's own. Modifies state."""
        if not prefix:
            return PromptKv(self._model, capacity)
        key = tuple(prefix)
        kept = self._kept.pop(key, None) or self._compute(prefix)
        self._kept[key] = kept
        while len(self._kept) > 1 and sum(map(len, self._kept)) > _KEPT_TOKENS:
            self._kept.popitem(last=False)
        return kept.fork(len(prefix), capacity)

    def _compute(self, prefix: Sequence[int]) -> PromptKv:
        kv = PromptKv(self._model, len(prefix))
        ids = torch.tensor(list(prefix), device=self._model.device)
        prefill(self._model, ids, kv, [RowGroup(range(len(prefix)), self._model.config.layers)])
        return kv
