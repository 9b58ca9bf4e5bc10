"""Generate holdfast_vllm._generated from the protos of the repository.

Run it with an interpreter that has grpcio-tools==1.81.1 and mypy-protobuf==5.1.0: the oldest versions whose output the
supported gRPC servers accept.

    python scripts/generate_protos.py          # write
    python scripts/generate_protos.py --check  # exit 1 when the committed files differ
"""

from __future__ import annotations

import filecmp
import re
import shutil
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

PACKAGE = Path(__file__).resolve().parents[1]
PROTOS = PACKAGE.parents[1] / "proto"
GENERATED = PACKAGE / "src" / "holdfast_vllm" / "_generated"
#: The protos, below `PROTOS` and without their suffix. The last parts of their names must differ.
SOURCES = (
    "holdfast/kv/v1/kv",
    "holdfast/kv/v1/kv_control_service",
    "holdfast/engine/v1/request_stream_service",
)
SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py")


def generate(target: Path) -> list[Path]:
    """Write the generated modules into `target`, as one flat package."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [
            "protoc",
            f"--proto_path={PROTOS}",
            f"--python_out={folder}",
            f"--grpc_python_out={folder}",
            f"--mypy_out={folder}",
            *(f"{source}.proto" for source in SOURCES),
        ]
        if protoc.main(arguments) != 0:
            raise SystemExit("protoc failed")
        target.mkdir(parents=True, exist_ok=True)
        folders = sorted({f"proto/{source.rpartition('/')[0]}" for source in SOURCES})
        header = f'"""Generated from {" and ".join(folders)}. Never edited."""\n'
        (target / "__init__.py").write_text(header)
        written = [target / "__init__.py"]
        for source in SOURCES:
            for suffix in SUFFIXES:
                text = (Path(folder) / f"{source}{suffix}").read_text()
                file = target / f"{Path(source).name}{suffix}"
                file.write_text(relocate(text))
                written.append(file)
        return written


def relocate(text: str) -> str:
    """Make the modules import each other from this package instead of a top-level package `holdfast`."""
    return re.sub(r"from holdfast\.\w+\.v1 import", "from holdfast_vllm._generated import", text)


def main() -> None:
    """Write, or compare."""
    if sys.argv[1:] == ["--check"]:
        with tempfile.TemporaryDirectory() as folder:
            fresh = generate(Path(folder))
            stale = [file.name for file in fresh if not filecmp.cmp(file, GENERATED / file.name, shallow=False)]
        if stale:
            raise SystemExit(f"out of date: {', '.join(stale)}")
        return
    shutil.rmtree(GENERATED, ignore_errors=True)
    generate(GENERATED)


if __name__ == "__main__":
    main()
