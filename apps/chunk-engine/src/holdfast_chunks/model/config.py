"""The configuration of a Llama-family model, as its folder states it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast_chunks.errors import ModelFolderError

_DEFAULT_ROPE_THETA = 10_000.0


@dataclass(frozen=True)
class ModelConfig:
    """What the forward pass needs to know."""

    name: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    rms_eps: float
    rope_theta: float
    vocabulary: int
    max_positions: int
    has_tied_embeddings: bool
    stop_token_ids: tuple[int, ...]

    @property
    def kv_floats_per_token(self) -> int:
        """Numbers of K and V together, over all layers."""
        return 2 * self.layers * self.kv_heads * self.head_dim


def read_config(folder: Path) -> ModelConfig:
    """Read `config.json`. Raises ModelFolderError when the model is of another kind than this engine runs."""
    try:
        raw: dict[str, Any] = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise ModelFolderError(f"{folder}/config.json cannot be read: {error}") from error
    _refuse_what_is_not_run(folder, raw)
    heads = int(raw["num_attention_heads"])
    hidden = int(raw["hidden_size"])
    rope = raw.get("rope_parameters") or {}
    return ModelConfig(
        name=folder.name,
        layers=int(raw["num_hidden_layers"]),
        hidden=hidden,
        heads=heads,
        kv_heads=int(raw.get("num_key_value_heads") or heads),
        head_dim=int(raw.get("head_dim") or hidden // heads),
        rms_eps=float(raw["rms_norm_eps"]),
        rope_theta=float(rope.get("rope_theta") or raw.get("rope_theta") or _DEFAULT_ROPE_THETA),
        vocabulary=int(raw["vocab_size"]),
        max_positions=int(raw["max_position_embeddings"]),
        has_tied_embeddings=bool(raw.get("tie_word_embeddings", False)),
        stop_token_ids=_stop_tokens(folder, raw),
    )


def _refuse_what_is_not_run(folder: Path, raw: dict[str, Any]) -> None:
    rope = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    kind = rope.get("rope_type") or rope.get("type") or "default"
    checks: tuple[tuple[str, object, tuple[object, ...]], ...] = (
        ("model_type", raw.get("model_type"), ("llama",)),
        ("hidden_act", raw.get("hidden_act"), ("silu",)),
        ("rope_type", kind, ("default",)),
        ("attention_bias", raw.get("attention_bias", False), (False,)),
        ("mlp_bias", raw.get("mlp_bias", False), (False,)),
    )
    for field, value, allowed in checks:
        if value not in allowed:
            raise ModelFolderError(f"{folder}/config.json: {field} is {value!r}; allowed: {allowed}")


def _stop_tokens(folder: Path, raw: dict[str, Any]) -> tuple[int, ...]:
    generation = folder / "generation_config.json"
    value = json.loads(generation.read_text()).get("eos_token_id") if generation.exists() else None
    value = raw.get("eos_token_id") if value is None else value
    ids = value if isinstance(value, list) else [value]
    return tuple(int(item) for item in ids if item is not None)
