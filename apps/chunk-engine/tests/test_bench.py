"""What the quality bench is made of, without a model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast_chunks.bench.cache_craft import context_impact, overlap, split
from holdfast_chunks.bench.measure import Outcome
from holdfast_chunks.bench.methods import all_methods
from holdfast_chunks.bench.report import Report
from holdfast_chunks.bench.results import Results
from holdfast_chunks.kv.variant import Variant, VariantStats

OUTCOME = Outcome(kl=0.02, same_answer=True, gold=-3.0, ttft_ratio=0.3, share=0.2)


def variant(prefix: str, *inter: float) -> Variant:
    made = Variant("v", 1, "c", tuple(prefix), "", "", "", b"", 160, 0, b"", is_canonical=True, byte_count=0)
    return replace(made, stats=VariantStats(inter=inter, intra=4.0))


@pytest.mark.parametrize(
    ("now", "expected"),
    [("ABC", 1), ("ADBC", 1), ("BAD", 0), ("BAC", 2 / 3), ("C", 1 / 4), ("DE", 0), ("", 0)],
)
def test_the_papers_overlap_of_contexts_keeps_its_defects(now: str, expected: float) -> None:
    assert overlap(variant("ABC", 1, 2, 1), list(now)) == pytest.approx(expected)


def test_a_variant_without_a_context_overlaps_with_everything_as_in_the_paper() -> None:
    assert overlap(variant(""), ["A"]) == 1
    assert overlap(variant(""), []) == 1


def test_context_impact_is_one_half_without_attention_to_others_and_below_one() -> None:
    assert context_impact(variant("A", 0.0), 160) == 0.5
    assert 0.5 < context_impact(variant("A", 2.0), 160) < 1


def test_a_budget_is_split_by_score_and_never_exceeds_a_chunk() -> None:
    assert split(10, [1, 1], 160) == [5, 5]
    assert split(30, [2, 1, 0], 160) == [20, 10, 0]
    assert split(200, [1, 0], 160) == [160, 40]
    assert split(7, [0, 0, 0], 160) == [3, 2, 2]
    assert sum(split(999, [1, 2], 160)) == 320


def test_every_method_of_the_issue_has_every_share() -> None:
    keys = {method.key for method in all_methods()}
    for name in ("random", "first", "cacheblend", "cache-craft", "holdfast"):
        assert {f"{name}@{share}" for share in ("0.05", "0.1", "0.2", "0.3", "0.5")} <= keys
    assert {"prefix@1", "reuse@0", "cache-craft@0", "holdfast@0"} <= keys
    assert len(keys) == len(all_methods())


def test_a_line_that_was_cut_off_is_measured_again(tmp_path: Path) -> None:
    first = Results(tmp_path / "run.jsonl")
    first.add(3, {"reuse@0": OUTCOME})
    first.add(4, {"reuse@0": OUTCOME})
    file = tmp_path / "run.jsonl"
    file.write_text(file.read_text()[:-20])
    again = Results(file)
    assert again.of(3) == {"reuse@0": OUTCOME}
    assert again.of(4) == {}


def report() -> Report:
    keys = {method.key: method.share for method in all_methods()} | {"full": 1.0, "reordered": 1.0, "no-chunks": 1.0}
    items = {
        item: {
            key: replace(OUTCOME, kl=0.01 * (item % 5 + 1) * (0.5 if key.startswith("holdfast@") else 1), share=share)
            for key, share in keys.items()
            if item % 4 == 0 or key in {"holdfast@0.2", "cache-craft@0.2", "reordered"}
        }
        for item in range(20)
    }
    return Report(items, "made up")


def test_rows_tell_how_many_items_they_rest_on_and_differences_are_paired() -> None:
    made = json.loads(report().json())
    rows = {(row["method"], row["recomputeShare"]): row for row in made["rows"]}
    assert rows["holdfast", 0.2]["items"] == 20
    assert rows["random", 0.2]["items"] == 5
    assert rows["holdfast", 0.2]["klPerToken"] == pytest.approx(0.015)
    difference = made["differences"][0]
    assert (difference["left"], difference["items"]) == ("holdfast@0.2", 20)
    assert difference["klDifference"] == pytest.approx(-0.015)
    assert difference["interval"][1] < 0


def test_a_document_gets_the_table_between_its_marks(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("before\n<!-- bench:chunks -->\nformer\n<!-- /bench:chunks -->\nafter\n")
    report().write_into(file, "the command")
    text = file.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "former" not in text
    assert "`the command`" in text
    assert "| `holdfast` | 20 | 0.20 | 0.0150" in text


def test_aims_are_told_only_of_rows_that_were_measured(tmp_path: Path) -> None:
    core = {method.key for method in all_methods() if method.is_core}
    made = Report({1: dict.fromkeys(core, OUTCOME)}, "core rows of one item")
    assert len(made.verdicts()) == 5
    assert len(report().verdicts()) == 7
    assert not any("neutral" in str(verdict["what"]) for verdict in made.verdicts())
    made.plot(tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").stat().st_size > 0
