"""Rotary position embedding. Keys are stored without it, so one stored chunk serves any position."""

from __future__ import annotations

import torch


class Rope:
    """Cosines and sines of every position, computed once in double precision."""

    def __init__(self, *, head_dim: int, theta: float, max_positions: int, device: torch.device) -> None:
        exponents = torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim
        angles = torch.outer(torch.arange(max_positions, dtype=torch.float64), theta**-exponents)
        self._cos = angles.cos().to(dtype=torch.float32, device=device)
        self._sin = angles.sin().to(dtype=torch.float32, device=device)

    def rotate(self, vectors: torch.Tensor, positions: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Rotate `[..., tokens, head_dim]` to the positions `[tokens]`, into `out` when it is given."""
        cos, sin = self._cos[positions].to(vectors.dtype), self._sin[positions].to(vectors.dtype)
        half = vectors.shape[-1] // 2
        turned = torch.empty_like(vectors) if out is None else out
        for low, high, sign in ((0, half, -1), (half, 0, 1)):
            part = torch.mul(vectors[..., low : low + half], cos, out=turned[..., low : low + half])
            part.addcmul_(vectors[..., high : high + half], sin, value=sign)
        return turned
