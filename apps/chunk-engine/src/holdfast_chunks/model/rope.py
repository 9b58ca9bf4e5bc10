"""Rotary position embedding. Keys are stored without it, so one stored chunk serves any position."""

from __future__ import annotations

import torch


class Rope:
    """Cosines and sines of every position, computed once in double precision."""

    def __init__(self, *, head_dim: int, theta: float, max_positions: int, device: torch.device) -> None:
        exponents = torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim
        angles = torch.outer(torch.arange(max_positions, dtype=torch.float64), theta**-exponents)
        both = torch.cat((angles, angles), dim=-1)
        self._cos = both.cos().to(dtype=torch.float32, device=device)
        self._sin = both.sin().to(dtype=torch.float32, device=device)

    def rotate(self, vectors: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """Rotate `[..., tokens, head_dim]` to the positions `[tokens]`."""
        cos = self._cos[positions].to(vectors.dtype)
        sin = self._sin[positions].to(vectors.dtype)
        half = vectors.shape[-1] // 2
        turned = torch.cat((-vectors[..., half:], vectors[..., :half]), dim=-1)
        return vectors * cos + turned * sin
