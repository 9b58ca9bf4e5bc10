"""Finished items on disk, so that a bench that was interrupted goes on where it was."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from holdfast_chunks.bench.measure import Outcome

_PACKAGE = Path(__file__).resolve().parents[1]


def run_digest(*settings: object) -> str:
    """Names a run: the settings and every source file of the package, so that results of two versions never mix."""
    digest = hashlib.sha256(repr(settings).encode())
    for file in sorted(_PACKAGE.rglob("*.py")):
        if file.parent.name in {"service", "_generated", "kv"} or file.name in {"report.py", "plot.py", "main.py"}:
            continue
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


class Results:
    """One line of JSON an item."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        self.by_item: dict[int, dict[str, Outcome]] = {}
        for line in file.read_text().splitlines() if file.exists() else []:
            try:
                raw = json.loads(line)
            except ValueError:
                continue  # the line that was being written when the run was cut off: its item is measured again
            self.by_item[raw["item"]] = {key: Outcome(**value) for key, value in raw["outcomes"].items()}

    def of(self, item: int) -> dict[str, Outcome]:
        """What is known of an item."""
        return self.by_item.get(item, {})

    def add(self, item: int, outcomes: dict[str, Outcome]) -> None:
        """Keep an item; parts that run beside each other append to one file. Modifies the file."""
        self.by_item[item] = outcomes
        raw = {"item": item, "outcomes": {key: asdict(value) for key, value in outcomes.items()}}
        with self.file.open("a") as stream:
            stream.write(json.dumps(raw) + "\n")
