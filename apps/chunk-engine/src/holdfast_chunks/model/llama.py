"""The layers of a Llama-family transformer, callable for any subset of rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional

from holdfast_chunks.model.config import ModelConfig, read_config
from holdfast_chunks.model.rope import Rope
from holdfast_chunks.model.weights import LayerWeights, Weights, load_weights


@dataclass(frozen=True)
class Llama:
    """Model, weights, rotation. Without state: KV is the caller's."""

    config: ModelConfig
    weights: Weights
    rope: Rope
    dtype: torch.dtype
    device: torch.device

    def embed(self, token_ids: torch.Tensor) -> torch.Tensor:
        """Hidden rows `[tokens, hidden]` before the first layer."""
        return functional.embedding(token_ids, self.weights.embedding)

    def project(self, layer: int, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries `[heads, tokens, dim]`, keys and values `[kv_heads, tokens, dim]` of rows, none of them rotated."""
        weights, config = self.weights.layers[layer], self.config
        mixed = functional.linear(self._norm(hidden, weights.input_norm), weights.qkv)
        heads = mixed.view(hidden.shape[0], config.heads + 2 * config.kv_heads, config.head_dim).transpose(0, 1)
        end = config.heads + config.kv_heads
        return heads[: config.heads], heads[config.heads : end], heads[end:]

    def finish(self, layer: int, hidden: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """Rows after the layer: output projection, residual, feed-forward, residual."""
        weights = self.weights.layers[layer]
        joined = attended.transpose(0, 1).reshape(hidden.shape[0], -1)
        hidden = hidden + functional.linear(joined, weights.out)
        return hidden + self._feed_forward(weights, hidden)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits in float32 of rows after the last layer."""
        return functional.linear(self._norm(hidden, self.weights.final_norm), self.weights.head).float()

    def _feed_forward(self, weights: LayerWeights, hidden: torch.Tensor) -> torch.Tensor:
        gate, up = functional.linear(self._norm(hidden, weights.mlp_norm), weights.gate_up).chunk(2, dim=-1)
        return functional.linear(functional.silu(gate) * up, weights.down)

    def _norm(self, hidden: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        exact = hidden.float()
        exact = exact * torch.rsqrt(exact.square().mean(-1, keepdim=True) + self.config.rms_eps)
        return scale * exact.to(hidden.dtype)


def load_llama(folder: Path, *, dtype: torch.dtype, device: torch.device) -> Llama:
    """Load a model folder. Raises ModelFolderError when it cannot be run."""
    config = read_config(folder)
    weights = load_weights(folder, config, dtype=dtype, device=device)
    rope = Rope(head_dim=config.head_dim, theta=config.rope_theta, max_positions=config.max_positions, device=device)
    return Llama(config, weights, rope, dtype, device)
