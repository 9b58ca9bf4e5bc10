"""The plot of the bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

_WIDTH_INCHES = 8
_HEIGHT_INCHES = 5


def draw(
    points: Mapping[str, Sequence[tuple[float, float]]], *, reference: float | None, title: str, file: Path
) -> None:
    """Draw a curve for each method: KL over the ratio of times to first token."""
    figure, axes = plt.subplots(figsize=(_WIDTH_INCHES, _HEIGHT_INCHES))
    for name, curve in points.items():
        axes.plot([x for x, _ in curve], [y for _, y in curve], marker="o", markersize=4, label=name)
    if reference is not None:
        axes.axhline(reference, color="grey", linestyle=":", label="full recompute, chunks in another order")
    axes.set_xlabel("time to first token, share of full prefill")
    axes.set_ylabel("KL from full recompute, nats per answer token")
    axes.set_title(title)
    axes.legend()
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(file)
    plt.close(figure)
