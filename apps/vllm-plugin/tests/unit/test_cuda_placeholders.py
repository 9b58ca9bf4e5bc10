"""The placeholders that tools/vllm/setup.mjs writes, loaded by the real dynamic loader."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[4] / "tools" / "vllm" / "cuda_placeholders.py"


@pytest.fixture(scope="module")
def placeholders() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cuda_placeholders", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def write_importer(placeholders: ModuleType, folder: Path) -> None:
    """A library that needs cuBLAS and cuDNN, and calls into them."""
    source = (
        "int cublasCreate_v2(void); int cudnnCreate(void); int both(void) { return cublasCreate_v2() + cudnnCreate(); }"
    )
    (folder / "importer.c").write_text(source)
    for name in ("libcublas.so.13", "libcudnn.so.9"):
        (folder / name).write_bytes(placeholders.shared_object(platform.machine(), name, [], []))
    command = ["cc", "-shared", "-fPIC", "-o", str(folder / "libimporter.so"), str(folder / "importer.c")]
    command += ["-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN", f"-L{folder}", "-l:libcublas.so.13", "-l:libcudnn.so.9"]
    subprocess.run(command, check=True)


def test_a_library_without_its_cuda_libraries_loads_and_its_calls_fail(
    placeholders: ModuleType, tmp_path: Path
) -> None:
    write_importer(placeholders, tmp_path)
    assert placeholders.main(tmp_path) == 2
    importer = ctypes.CDLL(str(tmp_path / "libimporter.so"), mode=os.RTLD_NOW)
    assert importer.both() == 1 + 1


def test_functions_are_found_by_name_in_large_tables(placeholders: ModuleType, tmp_path: Path) -> None:
    names = [f"cublasFunction{index}" for index in range(500)]
    file = tmp_path / "libmany.so"
    file.write_bytes(placeholders.shared_object(platform.machine(), file.name, [], names))
    library = ctypes.CDLL(str(file))
    assert all(getattr(library, name)() == 1 for name in names)
    with pytest.raises(AttributeError):
        library.cublasFunction500  # noqa: B018


def test_only_known_libraries_are_replaced(placeholders: ModuleType, tmp_path: Path) -> None:
    assert placeholders.main(tmp_path) == 0
    (tmp_path / "libbroken.so").write_bytes(b"not an ELF file")
    with pytest.raises(ValueError, match=r"libbroken\.so is not a little-endian 64-bit ELF file"):
        placeholders.main(tmp_path)
