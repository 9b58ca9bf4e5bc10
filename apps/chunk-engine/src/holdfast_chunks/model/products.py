"""Which library multiplies matrices on a CPU."""

from __future__ import annotations

import torch

#: Relative error of a float32 product that is still one: bfloat16 inputs would be off by 1e-3.
_FLOAT32_ERROR = 1e-5


def use_fastest_float32_products() -> bool:
    """Let oneDNN multiply float32 matrices where it does so in full precision; returns whether it does.

    MKL, PyTorch's default, leaves the wide vector units of other vendors' processors idle: oneDNN took 12.6 ms for a
    product that took MKL 29.6 ms (850 x 576 x 3072, one thread of an EPYC with AVX-512). PyTorch calls oneDNN only
    when bfloat16 inputs are allowed, and on processors with AMX it then uses them; so the precision is measured.
    Modifies a setting of the process.
    """
    torch.set_float32_matmul_precision("medium")
    made = torch.Generator().manual_seed(1)
    left, right = torch.randn((64, 512), generator=made), torch.randn((256, 512), generator=made)
    exact = left.double() @ right.double().T
    error = (torch.nn.functional.linear(left, right) - exact).abs().max() / exact.abs().max()
    if float(error) <= _FLOAT32_ERROR:
        return True
    torch.set_float32_matmul_precision("highest")
    return False
