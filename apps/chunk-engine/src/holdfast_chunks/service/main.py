"""`npm run start:chunk-engine`: the engine behind holdfast.chunk.v1. Prints one line of JSON when it serves."""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import torch

from holdfast_chunks.errors import FolderInUseError, ModelFolderError, ServerAddressError
from holdfast_chunks.model.products import use_fastest_float32_products
from holdfast_chunks.service.engine import ChunkEngine, Settings
from holdfast_chunks.service.server import ChunkEngineServer

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_MIB = 1 << 20
_READ_BYTES = 4_096


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM, SIGINT or, with --exit-with-stdin, the end of stdin."""
    options = _options(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    use_fastest_float32_products()
    stopped = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopped.set())
    if options.exit_with_stdin:
        threading.Thread(target=_wait_for_end_of_stdin, args=(stopped,), daemon=True).start()
    device = torch.device("cuda" if torch.cuda.is_available() and not options.cpu else "cpu")
    try:
        engine = ChunkEngine(
            Settings(
                model=options.model,
                folder=options.folder,
                dtype=_DTYPES[options.dtype],
                device=device,
                memory_bytes=options.memory_mib * _MIB,
                disk_bytes=options.disk_mib * _MIB,
                max_waiting=options.max_waiting,
                name=options.name,
            )
        )
        server = ChunkEngineServer(engine, options.address)
    except (FolderInUseError, ModelFolderError, ServerAddressError) as error:
        raise SystemExit(f"chunk engine: {error}") from error
    server.start()
    _emit({"event": "ready", "address": server.address, "epoch": engine.epoch, "fingerprint": engine.fingerprint})
    stopped.wait()
    server.stop()
    engine.close()


def _wait_for_end_of_stdin(stopped: threading.Event) -> None:
    # Not through sys.stdin: a thread that waits in its lock would keep the interpreter from ending.
    while os.read(0, _READ_BYTES):
        pass
    stopped.set()


def _emit(event: dict[str, str]) -> None:
    print(json.dumps(event), flush=True)  # noqa: T201 - what a parent process waits for


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="npm run start:chunk-engine --", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a Llama-family folder")
    parser.add_argument("--address", default="127.0.0.1:7090", help="host:port; port 0 picks a free one")
    parser.add_argument("--folder", type=Path, default=_default_folder(), help="where variants are kept as files")
    parser.add_argument("--name", default="chunk-engine", help="engine_id in the protocol")
    parser.add_argument("--memory-mib", type=int, default=1_024, help="of KV in memory")
    parser.add_argument("--disk-mib", type=int, default=4_096, help="of KV in files")
    parser.add_argument("--max-waiting", type=int, default=64, help="calls that may wait for the model")
    parser.add_argument("--dtype", choices=tuple(_DTYPES), default="float32")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0: as torch thinks best")
    parser.add_argument("--cpu", action="store_true", help="even where there is a GPU")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when stdin ends: no orphan of a parent")
    options = parser.parse_args(arguments)
    for field in ("memory_mib", "disk_mib", "max_waiting"):
        if getattr(options, field) < 1:
            parser.error(f"--{field.replace('_', '-')} is {getattr(options, field)}; allowed: 1 or more")
    return options


def _default_folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "holdfast" / "chunk-engine"


if __name__ == "__main__":
    main()
