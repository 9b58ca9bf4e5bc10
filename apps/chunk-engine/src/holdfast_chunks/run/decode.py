"""Answers token by token, and their comparison with a full recompute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from holdfast_chunks.model.llama import Llama
from holdfast_chunks.run.prefill import PromptKv, RowGroup, extend, prefill


@dataclass(frozen=True)
class Sampling:
    """How an answer is chosen; temperature 0 is greedy."""

    max_tokens: int
    temperature: float = 0.0
    seed: int = 0
    ignores_stop_tokens: bool = False
    forced: tuple[int, ...] = ()


@dataclass(frozen=True)
class Decoded:
    """One token of an answer and its log-likelihood, nats."""

    token_id: int
    log_likelihood: float
    is_stop: bool


def decode(model: Llama, hidden: torch.Tensor, kv: PromptKv, sampling: Sampling) -> Iterator[Decoded]:
    """Tokens of the answer behind a prompt, the stop token included; forced ones come first. Grows `kv`."""
    drawn = torch.Generator().manual_seed(sampling.seed)
    for count in range(sampling.max_tokens):
        likelihoods = model.logits(hidden[-1:])[0].log_softmax(-1)
        if count < len(sampling.forced):
            chosen = sampling.forced[count]
        elif sampling.temperature > 0:
            chosen = int(torch.multinomial((likelihoods / sampling.temperature).softmax(-1).cpu(), 1, generator=drawn))
        else:
            chosen = int(likelihoods.argmax())
        ends = chosen in model.config.stop_token_ids and not sampling.ignores_stop_tokens
        is_stop = ends and count >= len(sampling.forced)
        yield Decoded(chosen, float(likelihoods[chosen]), is_stop)
        if is_stop or count + 1 == sampling.max_tokens:
            return
        hidden = extend(model, torch.tensor([chosen], device=model.device), kv)


def forced_log_softmax(model: Llama, hidden: torch.Tensor, kv: PromptKv, answer: Sequence[int]) -> torch.Tensor:
    """Log-probabilities `[answer, vocabulary]` at every token of an answer, as if it had been chosen.

    `kv` is left as it was.
    """
    prompt_tokens = kv.length
    rows = [model.logits(hidden[-1:])]
    if len(answer) > 1:
        rows.append(model.logits(extend(model, torch.tensor(list(answer[:-1]), device=model.device), kv)))
    kv.length = prompt_tokens
    return torch.cat(rows).log_softmax(-1)


@dataclass(frozen=True)
class Shadow:
    """How far an answer's distributions are from those of a full recompute."""

    kl_per_token: float
    kl_max: float
    log_likelihood_delta: float
    same_top_share: float


def compare(expected: torch.Tensor, got: torch.Tensor, answer: Sequence[int]) -> Shadow:
    """Compare log-probabilities of a full recompute with those under a plan, in nats. Pure."""
    kl = (expected.exp() * (expected - got)).sum(-1)
    ids = torch.tensor(list(answer), device=got.device)[:, None]
    delta = (expected.gather(1, ids) - got.gather(1, ids)).mean()
    same = (expected.argmax(-1) == got.argmax(-1)).float().mean()
    return Shadow(float(kl.mean()), float(kl.max()), float(delta), float(same))


def full_log_softmax(model: Llama, prompt: Sequence[int], answer: Sequence[int]) -> torch.Tensor:
    """Log-probabilities at every token of an answer behind a prompt that is computed in full."""
    ids = torch.tensor(list(prompt), device=model.device)
    kv = PromptKv(model, len(prompt) + len(answer))
    hidden = prefill(model, ids, kv, [RowGroup(range(len(prompt)), model.config.layers)])
    return forced_log_softmax(model, hidden, kv, answer)
