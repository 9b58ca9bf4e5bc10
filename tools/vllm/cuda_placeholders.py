"""Let the CUDA build of PyTorch run on a machine without a GPU, without 3 GB of CUDA libraries.

`import torch` links against cuBLAS, cuDNN, NCCL and others even if no GPU is ever used. This script writes small
shared objects with the names that the linker asks for. Every function in them returns 1, which all of these libraries
define as an error, so a call that should never happen fails instead of computing nonsense. The CUDA runtime and CUPTI
are not replaced: PyTorch calls them to find out that there is no GPU.

The functions live in one file, `libholdfast_cuda_placeholders.so`, and each library is an empty object that depends on
it: the loader insists on version tables only in the object that a versioned reference names.

    python cuda_placeholders.py TORCH_LIB_FOLDER
"""

from __future__ import annotations

import platform
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

COMMON_NAME = "libholdfast_cuda_placeholders.so"

#: What is replaced: file name prefix of the library, prefix of its functions.
REPLACED = (
    ("libcublasLt.so", "cublasLt"),
    ("libcublas.so", "cublas"),
    ("libcudnn.so", "cudnn"),
    ("libcufft.so", "cufft"),
    ("libcufile.so", "cuFile"),
    ("libcurand.so", "curand"),
    ("libcusolver.so", "cusolver"),
    ("libcusparseLt.so", "cusparseLt"),
    ("libcusparse.so", "cusparse"),
    ("libnccl.so", "nccl"),
    ("libnvrtc.so", "nvrtc"),
    ("libnvshmem_host.so", "nvshmem"),
)

#: ELF machine number and the code of `return 1`.
MACHINES = {
    "x86_64": (62, bytes.fromhex("b801000000c3")),
    "aarch64": (183, bytes.fromhex("20008052c0035fd6")),
}

PAGE = 0x1000
PT_LOAD, PT_DYNAMIC, PT_GNU_STACK = 1, 2, 0x6474E551
DT_NULL, DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB = 0, 1, 4, 5, 6
DT_STRSZ, DT_SYMENT, DT_SONAME, DT_RUNPATH = 10, 11, 14, 29
SHT_DYNAMIC, SHT_DYNSYM = 6, 11
SYMBOL_SIZE = 24


@dataclass(frozen=True)
class Imports:
    """What one shared object asks of others."""

    libraries: frozenset[str]
    functions: frozenset[str]


def read_imports(path: Path) -> Imports:
    """Read the needed libraries and the undefined symbols of a little-endian 64-bit ELF file."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError(f"{path} is not a little-endian 64-bit ELF file")
    section_offset, count = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<H", data, 60)[0]
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, section_offset + 64 * i) for i in range(count)]

    def text(table: int, at: int) -> str:
        start = sections[table][4] + at
        return data[start : data.index(b"\0", start)].decode()

    libraries: set[str] = set()
    functions: set[str] = set()
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind == SHT_DYNAMIC:
            entries = struct.iter_unpack("<QQ", data[offset : offset + size])
            libraries.update(text(link, value) for tag, value in entries if tag == DT_NEEDED)
        elif kind == SHT_DYNSYM:
            symbols = struct.iter_unpack("<IBBHQQ", data[offset : offset + size])
            functions.update(text(link, name) for name, _, _, section, _, _ in symbols if section == 0 and name)
    return Imports(frozenset(libraries), frozenset(functions))


def elf_hash(name: bytes) -> int:
    """The hash of the System V symbol table."""
    value = 0
    for byte in name:
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high & 0xFFFFFFFF
    return value


def shared_object(machine: str, soname: str, needed: list[str], functions: list[str]) -> bytes:
    """Build a shared object: every function in it is the same `return 1`."""
    number, code = MACHINES[machine]
    strings = bytearray(b"\0")

    def intern(value: str) -> int:
        strings.extend(value.encode() + b"\0")
        return len(strings) - len(value) - 1

    soname_at = intern(soname)
    runpath_at = intern("$ORIGIN")
    needed_at = [intern(library) for library in needed]
    names_at = [intern(function) for function in functions]
    code_at = 64 + 56 * 4
    symbols_at = (code_at + len(code) + 7) // 8 * 8
    symbols = bytes(SYMBOL_SIZE) + b"".join(
        struct.pack("<IBBHQQ", name, 0x12, 0, 1, code_at, len(code)) for name in names_at
    )  # Section 1 does not exist: the file has no section table, the loader only tells defined from undefined (0).
    buckets = max(1, len(functions))
    heads, chains = [0] * buckets, [0] * (len(functions) + 1)
    for index, function in enumerate(functions, start=1):
        bucket = elf_hash(function.encode()) % buckets
        chains[index], heads[bucket] = heads[bucket], index
    hash_at = symbols_at + len(symbols)
    table = struct.pack(f"<II{buckets}I{len(chains)}I", buckets, len(chains), *heads, *chains)
    strings_at = hash_at + len(table)
    text_size = strings_at + len(strings)
    dynamic_at = (text_size + PAGE - 1) // PAGE * PAGE
    entries = [(DT_SONAME, soname_at), *((DT_NEEDED, at) for at in needed_at), (DT_HASH, hash_at)]
    entries += [(DT_RUNPATH, runpath_at), (DT_STRTAB, strings_at), (DT_SYMTAB, symbols_at)]
    entries += [(DT_STRSZ, len(strings)), (DT_SYMENT, SYMBOL_SIZE), (DT_NULL, 0)]
    dynamic = b"".join(struct.pack("<QQ", *entry) for entry in entries)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, number, 1, 0, 64, 0, 0, 64, 56, 4, 64, 0, 0)
    segments = (
        (PT_LOAD, 5, 0, text_size, PAGE),
        (PT_LOAD, 6, dynamic_at, len(dynamic), PAGE),
        (PT_DYNAMIC, 6, dynamic_at, len(dynamic), 8),
        (PT_GNU_STACK, 6, 0, 0, 16),
    )
    for kind, flags, offset, size, align in segments:
        header += struct.pack("<IIQQQQQQ", kind, flags, offset, offset, offset, size, size, align)
    body = header + code
    body += bytes(symbols_at - len(body)) + symbols + table + bytes(strings)
    return body + bytes(dynamic_at - len(body)) + dynamic


def main(folder: Path) -> int:
    """Write placeholders for what the libraries in `folder` miss; returns how many were written."""
    machine = platform.machine()
    if machine not in MACHINES:
        raise SystemExit(f"no placeholders for machine {machine!r}; known are {', '.join(MACHINES)}")
    imports = [read_imports(path) for path in sorted(folder.glob("lib*.so")) if path.name != COMMON_NAME]
    libraries = {name for one in imports for name in one.libraries}
    functions = {name for one in imports for name in one.functions}
    wanted = sorted(name for name in libraries if name.startswith(tuple(prefix for prefix, _ in REPLACED)))
    exported = sorted(name for name in functions if name.startswith(tuple(prefix for _, prefix in REPLACED)))
    (folder / COMMON_NAME).write_bytes(shared_object(machine, COMMON_NAME, [], exported))
    for name in wanted:
        (folder / name).write_bytes(shared_object(machine, name, [COMMON_NAME], []))
    print(f"wrote {len(wanted)} placeholder libraries with {len(exported)} functions")
    return len(wanted)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
