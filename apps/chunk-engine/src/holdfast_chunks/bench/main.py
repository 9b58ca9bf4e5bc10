"""`npm run bench:chunks`: quality and time of reuse on MuSiQue, with a real model."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from holdfast_chunks.bench.measure import Bench
from holdfast_chunks.bench.methods import Method, all_methods
from holdfast_chunks.bench.report import Report
from holdfast_chunks.bench.results import Results, run_digest
from holdfast_chunks.bench.sample import MEASURED_ITEMS, Sample
from holdfast_chunks.kv.files import KvFolder
from holdfast_chunks.kv.store import VariantStore
from holdfast_chunks.model.llama import load_llama
from holdfast_chunks.model.products import use_fastest_float32_products
from holdfast_chunks.model.tokens import TextCodec
from holdfast_chunks.run.executor import Executor

_PACKAGE = Path(__file__).resolve().parents[3]
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_TIER_BYTES = 8 << 30


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, keep, report."""
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    use_fastest_float32_products()
    device = torch.device("cuda" if torch.cuda.is_available() and not options.cpu else "cpu")
    model = load_llama(options.model, dtype=_DTYPES[options.dtype], device=device)
    sample = Sample(_PACKAGE / "data" / "musique-sample.json.gz", TextCodec(options.model))
    name = run_digest(model.weights.digest, options.dtype, device.type, options.threads)
    results = Results(options.state / f"{name}.jsonl")
    wanted = range(options.start, options.start + options.items)
    if not options.report_only:
        with tempfile.TemporaryDirectory(prefix="holdfast-bench-chunks-") as folder:
            files = KvFolder(Path(folder), fingerprint=name)
            store = VariantStore(files, memory_bytes=_TIER_BYTES, disk_bytes=_TIER_BYTES)
            bench = Bench(Executor(model, store), store, sample)
            _measure(bench, sample, results, wanted, options.baselines_every)
    finished = {item: results.by_item[item] for item in wanted if item in results.by_item}
    if not finished:
        raise SystemExit(f"none of the items {wanted.start} to {wanted.stop - 1} is finished in {results.file}")
    report = Report(finished, f"{options.model.name}, {options.dtype}, {device.type}, {options.threads} thread(s)")
    print(report.table())  # noqa: T201 - the command's output
    if options.json:
        options.json.write_text(report.json())
    if options.markdown:
        report.write_into(options.markdown, f"npm run bench:chunks -- --items {options.items}")
    if options.plot:
        report.plot(options.plot)


def _measure(bench: Bench, sample: Sample, results: Results, wanted: range, baselines_every: int) -> None:
    """Measure what is missing of each item: more baselines can be asked for later."""
    missing = {
        item: [method for method in _methods_of(item, baselines_every) if method.key not in results.of(item)]
        for item in wanted
    }
    todo = [item for item in wanted if missing[item]]
    _say(f"{len(wanted)} items, {len(wanted) - len(todo)} of them there already ({results.file})")
    began = time.monotonic()
    for count, index in enumerate(todo, start=1):
        has_references = index % baselines_every == 0 and "full" not in results.of(index)
        measured = bench.measure(sample.item(index), missing[index], with_references=has_references)
        results.add(index, {**results.of(index), **measured})
        each = (time.monotonic() - began) / count
        _say(
            f"item {index}: {count}/{len(todo)}, {each:.1f} s an item, {each * (len(todo) - count) / 60:.1f} min to go"
        )


def _methods_of(item: int, baselines_every: int) -> list[Method]:
    return [method for method in all_methods() if method.is_core or item % baselines_every == 0]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - progress of a command


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="npm run bench:chunks --", description=__doc__)
    parser.add_argument("--items", type=int, default=MEASURED_ITEMS, help=f"how many, at most {MEASURED_ITEMS}")
    parser.add_argument("--json", type=Path, help="write rows, references and verdicts there")
    parser.add_argument("--markdown", type=Path, help="put table and verdicts between the marks of that document")
    parser.add_argument("--plot", type=Path, help="draw KL over TTFT there (.png or .svg)")
    parser.add_argument("--start", type=int, default=0, help="first item: parts can run beside each other")
    parser.add_argument(
        "--baselines-every", type=int, default=4, help="rows that no verdict rests on: on every so many-th item"
    )
    parser.add_argument("--report-only", action="store_true", help="of what is finished; measure nothing")
    parser.add_argument("--dtype", choices=tuple(_DTYPES), default="float32")
    parser.add_argument("--threads", type=int, default=1, help="of torch; with 1, time is processor time")
    parser.add_argument("--cpu", action="store_true", help="even where there is a GPU")
    parser.add_argument("--model", type=Path, required=True, help="a Llama-family folder")
    parser.add_argument("--state", type=Path, default=_PACKAGE / ".holdfast" / "bench", help="finished items")
    options = parser.parse_args(arguments)
    if not 1 <= options.items <= MEASURED_ITEMS - options.start:
        parser.error(f"--items is {options.items}; allowed: 1 to {MEASURED_ITEMS - options.start}")
    if options.baselines_every < 1:
        parser.error(f"--baselines-every is {options.baselines_every}; allowed: 1 or more")
    return options


if __name__ == "__main__":
    main()
