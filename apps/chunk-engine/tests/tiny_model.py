"""A model folder with random weights, small enough that a test can load and run it in no time."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

LAYERS, HIDDEN, HEADS, KV_HEADS, HEAD_DIM, INNER, VOCABULARY = 3, 48, 6, 2, 8, 96, 128


def write_tiny_model(folder: Path) -> Path:
    """Write config, weights and tokenizer; the word `wN` is token N."""
    folder.mkdir(parents=True, exist_ok=True)
    made = torch.Generator().manual_seed(7)

    def matrix(rows: int, columns: int) -> torch.Tensor:
        return torch.randn((rows, columns), generator=made).mul(columns**-0.5)

    tensors = {"model.embed_tokens.weight": torch.randn((VOCABULARY, HIDDEN), generator=made)}
    tensors["model.norm.weight"] = torch.ones(HIDDEN)
    for layer in range(LAYERS):
        name = f"model.layers.{layer}"
        tensors[f"{name}.input_layernorm.weight"] = torch.ones(HIDDEN)
        tensors[f"{name}.post_attention_layernorm.weight"] = torch.ones(HIDDEN)
        tensors[f"{name}.self_attn.q_proj.weight"] = matrix(HEADS * HEAD_DIM, HIDDEN)
        for part in "kv":
            tensors[f"{name}.self_attn.{part}_proj.weight"] = matrix(KV_HEADS * HEAD_DIM, HIDDEN)
        tensors[f"{name}.self_attn.o_proj.weight"] = matrix(HIDDEN, HEADS * HEAD_DIM)
        tensors[f"{name}.mlp.gate_proj.weight"] = matrix(INNER, HIDDEN)
        tensors[f"{name}.mlp.up_proj.weight"] = matrix(INNER, HIDDEN)
        tensors[f"{name}.mlp.down_proj.weight"] = matrix(HIDDEN, INNER)
    save_file(tensors, str(folder / "model.safetensors"))
    config = {
        "model_type": "llama",
        "hidden_act": "silu",
        "num_hidden_layers": LAYERS,
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD_DIM,
        "rms_norm_eps": 1e-5,
        "rope_theta": 1e4,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
        "eos_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(config))
    words = {f"w{token}": token for token in range(VOCABULARY - 1)} | {"[UNK]": VOCABULARY - 1}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
