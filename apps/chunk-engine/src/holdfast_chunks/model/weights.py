"""Weights of a Llama-family folder, by layer."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from holdfast_chunks.errors import ModelFolderError
from holdfast_chunks.model.config import ModelConfig


@dataclass(frozen=True)
class LayerWeights:
    """Matrices of one layer; q, k, v and gate, up are joined so that each takes one product."""

    input_norm: torch.Tensor
    qkv: torch.Tensor
    out: torch.Tensor
    mlp_norm: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


@dataclass(frozen=True)
class Weights:
    """All matrices, and a digest of the files that they are from."""

    embedding: torch.Tensor
    layers: tuple[LayerWeights, ...]
    final_norm: torch.Tensor
    head: torch.Tensor
    digest: str


def load_weights(folder: Path, config: ModelConfig, *, dtype: torch.dtype, device: torch.device) -> Weights:
    """Read every `*.safetensors` of the folder. Raises ModelFolderError when a matrix is missing."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelFolderError(f"{folder} holds no *.safetensors file")
    tensors: dict[str, torch.Tensor] = {}
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
        with safe_open(str(file), framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118 - the reader is no mapping
                tensors[name] = opened.get_tensor(name).to(dtype=dtype, device=device)
    return _arrange(tensors, config, digest.hexdigest())


def _arrange(tensors: Mapping[str, torch.Tensor], config: ModelConfig, digest: str) -> Weights:
    try:
        layers = tuple(_layer(tensors, index) for index in range(config.layers))
        embedding = tensors["model.embed_tokens.weight"]
        head = embedding if config.has_tied_embeddings else tensors["lm_head.weight"]
        return Weights(embedding, layers, tensors["model.norm.weight"], head, digest)
    except KeyError as error:
        raise ModelFolderError(f"the weights lack {error.args[0]!r}") from error


def _layer(tensors: Mapping[str, torch.Tensor], index: int) -> LayerWeights:
    name = f"model.layers.{index}"
    attention = [tensors[f"{name}.self_attn.{part}_proj.weight"] for part in "qkv"]
    return LayerWeights(
        input_norm=tensors[f"{name}.input_layernorm.weight"],
        qkv=torch.cat(attention),
        out=tensors[f"{name}.self_attn.o_proj.weight"],
        mlp_norm=tensors[f"{name}.post_attention_layernorm.weight"],
        gate_up=torch.cat([tensors[f"{name}.mlp.gate_proj.weight"], tensors[f"{name}.mlp.up_proj.weight"]]),
        down=tensors[f"{name}.mlp.down_proj.weight"],
    )
