"""The engine as a process of its own, killed in mid-run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc

from holdfast_chunks._generated import chunk_engine_service_pb2 as service
from holdfast_chunks._generated import chunk_engine_service_pb2_grpc as stubs
from holdfast_chunks._generated import chunk_pb2 as wire
from tests.tiny_model import write_tiny_model

CHUNK = list(range(40, 80))


class Process:
    """An engine that serves from a folder."""

    def __init__(self, model: Path, folder: Path) -> None:
        command = [sys.executable, "-m", "holdfast_chunks.service.main", "--model", str(model), "--folder", str(folder)]
        self.child = subprocess.Popen(
            [*command, "--address", "127.0.0.1:0", "--threads", "1", "--cpu", "--exit-with-stdin"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1] / "src")},
        )
        assert self.child.stdout is not None
        self.ready = json.loads(self.child.stdout.readline())
        self.channel = grpc.insecure_channel(self.ready["address"])
        self.client = stubs.ChunkEngineServiceStub(self.channel)

    def build(self, names: list[str]) -> list[int]:
        items = [
            service.BuildItem(variant=wire.VariantSpec(variant_id=n, chunk_id="c"), token_ids=CHUNK) for n in names
        ]
        request = service.BuildRequest(op_id="-".join(names), items=items)
        return [item.generation for item in self.client.Build(request).variants]

    def end(self, number: signal.Signals) -> int:
        self.channel.close()
        self.child.send_signal(number)
        code = self.child.wait(30)
        for pipe in (self.child.stdin, self.child.stdout):
            assert pipe is not None
            pipe.close()
        return code


def test_a_kill_loses_no_stored_variant_and_reconcile_leaves_no_orphan(tmp_path: Path) -> None:
    model, folder = write_tiny_model(tmp_path / "model"), tmp_path / "kv"
    first = Process(model, folder)
    assert first.build(["a", "b"]) == [1, 2]
    # Killed while it builds: what was stored by then is whole, what was being written is not taken for stored.
    names = [f"n{at}" for at in range(60)]
    items = [service.BuildItem(variant=wire.VariantSpec(variant_id=n, chunk_id="c"), token_ids=CHUNK) for n in names]
    call = first.client.Build.future(service.BuildRequest(op_id="many", items=items))
    while not any(folder.glob("*.safetensors")) or len(list(folder.glob("*.safetensors"))) < 5:
        assert not call.done()
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    (folder / "half.safetensors.new").write_bytes(b"half")

    second = Process(model, folder)
    assert second.ready["epoch"] != first.ready["epoch"]
    held = {item.spec.variant_id for item in second.client.ListVariants(service.ListVariantsRequest()).variants}
    assert {"a", "b"} <= held
    assert len(held) >= 5
    known = [service.KnownVariant(variant_id=name, generation=at) for at, name in enumerate("ab", start=1)]
    answer = second.client.Reconcile(service.ReconcileRequest(op_id="r", known=known))
    assert (list(answer.missing_variant_ids), set(answer.dropped_variant_ids)) == ([], held - {"a", "b"})
    assert len(list(folder.iterdir())) == 2
    assert second.end(signal.SIGTERM) == 0


def test_two_engines_never_share_a_folder(tmp_path: Path) -> None:
    model, folder = write_tiny_model(tmp_path / "model"), tmp_path / "kv"
    first = Process(model, folder)
    command = [sys.executable, "-m", "holdfast_chunks.service.main", "--model", str(model), "--folder", str(folder)]
    second = subprocess.run(
        [*command, "--address", "127.0.0.1:0", "--cpu"], capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert "which another engine uses" in second.stderr
    assert first.end(signal.SIGTERM) == 0
