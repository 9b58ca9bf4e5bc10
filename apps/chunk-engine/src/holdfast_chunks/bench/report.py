"""Rows, intervals and verdicts of finished items."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap

from holdfast_chunks.bench.measure import Outcome
from holdfast_chunks.bench.plot import draw

_MARK_START, _MARK_END = "<!-- bench:chunks -->", "<!-- /bench:chunks -->"
_RESAMPLES = 9_999
_SEED = 20_250_215
#: The aims: ratios of times to first token, KL in nats a token, share of items with the same answer.
_REUSE_TTFT = 0.10
_CHEAP_TTFT, _CHEAP_KL = 0.40, 0.04
_GOOD_TTFT, _GOOD_KL, _GOOD_SAME = 0.50, 0.025, 0.70
#: Rows of the JSON; the others explain and are kept apart.
_METHODS = ("full", "prefix", "reuse", "random", "first", "cacheblend", "cache-craft", "holdfast")


@dataclass(frozen=True)
class Row:
    """Means of one method over the items."""

    method: str
    items: int
    share: float
    kl: float
    kl_low: float
    kl_high: float
    kl_worst: float
    same: float
    gold: float
    ttft: float

    def as_json(self) -> dict[str, object]:
        """The row as the file has it."""
        return {
            "method": self.method,
            "items": self.items,
            "recomputeShare": self.share,
            "klPerToken": self.kl,
            "klInterval": [self.kl_low, self.kl_high],
            "klWorst": self.kl_worst,
            "sameAnswerShare": self.same,
            "goldLogLikelihood": self.gold,
            "ttftRatio": self.ttft,
        }


@dataclass(frozen=True)
class Difference:
    """KL of one row less that of another, paired by item, as the file has it."""

    left: str
    right: str
    items: int
    klDifference: float  # noqa: N815 - a field of the JSON
    interval: tuple[float, float]


class Report:
    """What the items show together."""

    def __init__(self, by_item: Mapping[int, Mapping[str, Outcome]], title: str) -> None:
        self._items = [by_item[item] for item in sorted(by_item)]
        self._title = title
        keys = {key: None for item in self._items for key in item}
        self.rows = [self._row(key) for key in sorted(keys, key=_order)]

    def interval(self, values: Sequence[float]) -> tuple[float, float]:
        """95 % interval of the mean, items drawn with replacement (percentile bootstrap)."""
        if min(values) == max(values):
            return values[0], values[0]
        found = bootstrap((np.asarray(values),), np.mean, n_resamples=_RESAMPLES, method="percentile", rng=_SEED)
        return float(found.confidence_interval.low), float(found.confidence_interval.high)

    def difference(self, left: str, right: str) -> Difference:
        """KL of left less that of right, paired by item, over the items that have both."""
        values = [item[left].kl - item[right].kl for item in self._items if left in item and right in item]
        low, high = self.interval(values)
        return Difference(left, right, len(values), float(np.mean(values)), (low, high))

    def table(self) -> str:
        """The table that the command prints."""
        lines = [
            f"{self._title}; {len(self._items)} items",
            f"{'method':<22}{'items':>6}{'share':>7}{'KL/token':>10}{'95 %':>17}{'worst':>8}{'same':>7}"
            f"{'gold ll':>9}{'TTFT':>7}",
        ]
        lines.extend(
            f"{row.method:<22}{row.items:>6}{row.share:>7.3f}{row.kl:>10.4f}"
            f"{f'[{row.kl_low:.4f} {row.kl_high:.4f}]':>17}{row.kl_worst:>8.3f}{row.same:>7.2f}"
            f"{row.gold:>9.2f}{row.ttft:>7.3f}"
            for row in self.rows
        )
        lines.extend(f"{'yes' if verdict['met'] else 'NO':<4}{verdict['what']}" for verdict in self.verdicts())
        return "\n".join(lines)

    def json(self) -> str:
        """The file."""
        return json.dumps(
            {
                "title": self._title,
                "items": len(self._items),
                "rows": [row.as_json() for row in self.rows if row.method in _METHODS],
                "others": [row.as_json() for row in self.rows if row.method not in _METHODS],
                "differences": [asdict(difference) for difference in self._differences()],
                "verdicts": self.verdicts(),
            },
            indent=2,
        )

    def write_into(self, file: Path, command: str) -> None:
        """Replace what is between the two marks of a document by the table and the verdicts."""
        before, rest = file.read_text().split(_MARK_START)
        after = rest.split(_MARK_END)[1]
        file.write_text(f"{before}{_MARK_START}\n\n{self.markdown(command)}\n{_MARK_END}{after}")

    def markdown(self, command: str) -> str:
        """Date, table and verdicts."""
        lines = [
            f"{datetime.now(tz=UTC).date()}, {self._title}, {len(self._items)} items: `{command}`",
            "",
            "| method | items | share | KL a token [95 %] | worst | same answer | gold, nats | TTFT |",
            "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |",
        ]
        lines.extend(
            f"| `{row.method}` | {row.items} | {row.share:.2f} | {row.kl:.4f} [{row.kl_low:.4f} {row.kl_high:.4f}] "
            f"| {row.kl_worst:.3f} | {row.same:.2f} | {row.gold:.2f} | {row.ttft:.3f} |"
            for row in self.rows
        )
        lines.extend(["", "| paired difference of KL | items | mean [95 %] |", "| --- | ---: | --- |"])
        lines.extend(
            f"| `{item.left}` less `{item.right}` | {item.items} | {item.klDifference:+.4f} "
            f"[{item.interval[0]:+.4f} {item.interval[1]:+.4f}] |"
            for item in self._differences()
        )
        lines.extend(["", "| aim | met |", "| --- | --- |"])
        lines.extend(f"| {verdict['what']} | {'yes' if verdict['met'] else '**no**'} |" for verdict in self.verdicts())
        return "\n".join([*lines, ""])

    def plot(self, file: Path) -> None:
        """Draw KL over time to first token."""
        curves = {name: self._of(name) for name in _METHODS}
        points = {name: sorted((row.ttft, row.kl) for row in rows) for name, rows in curves.items() if rows}
        draw(points, reference=self._kl_of("reordered"), title=self._title, file=file)

    def verdicts(self) -> list[dict[str, object]]:
        """The aims, and whether the figures meet them; only those whose rows were measured."""
        holdfast = self._of("holdfast")
        without = next(row for row in holdfast if row.share == 0)
        cheap, good = _best(holdfast, _CHEAP_TTFT), _best(holdfast, _GOOD_TTFT)
        cheap_kl, good_kl = f"KL {cheap.kl:.4f} at TTFT {cheap.ttft:.3f}", f"KL {good.kl:.4f} at TTFT {good.ttft:.3f}"
        is_good = good.ttft <= _GOOD_TTFT and good.kl <= _GOOD_KL and good.same >= _GOOD_SAME
        made = [
            (f"TTFT {without.ttft:.3f} at share 0 is at most {_REUSE_TTFT}", without.ttft <= _REUSE_TTFT),
            (
                f"{cheap_kl} (at most {_CHEAP_TTFT}) is at most {_CHEAP_KL}",
                cheap.ttft <= _CHEAP_TTFT and cheap.kl <= _CHEAP_KL,
            ),
            (
                f"{good_kl} (at most {_GOOD_TTFT}) is at most {_GOOD_KL}; same answer {good.same:.2f} of {_GOOD_SAME}",
                is_good,
            ),
        ]
        below = [(f"holdfast@{share:g}", f"cache-craft@{share:g}") for share in (0.2, 0.3)]
        for difference in self._paired([(f"holdfast@{good.share:g}", "reordered"), *below]):
            low, high = difference.interval
            text = f"`{difference.left}` less `{difference.right}`: KL {difference.klDifference:.4f}"
            made.append((f"{text} [{low:.4f} {high:.4f}] is below 0", high < 0))
        system, neutral = self._kl_of("system-store"), self._kl_of("neutral-store")
        if system is not None and neutral is not None:
            made.append(
                (f"KL of the neutral store {neutral:.4f} is at most half of {system:.4f}", neutral <= system / 2)
            )
        return [{"what": what, "met": bool(met)} for what, met in made]

    def _differences(self) -> list[Difference]:
        pairs = [
            ("holdfast@0.2", "cache-craft@0.2"),
            ("holdfast@0.3", "cache-craft@0.3"),
            ("holdfast-tokens-only@0.2", "cache-craft@0.2"),
            ("holdfast-store-only@0.2", "first@0.2"),
            ("holdfast@0.2", "holdfast-value@0.2"),
            ("cache-craft@0.2", "first@0.2"),
        ]
        return self._paired(pairs)

    def _paired(self, pairs: Sequence[tuple[str, str]]) -> list[Difference]:
        both = [pair for pair in pairs if any(pair[0] in item and pair[1] in item for item in self._items)]
        return [self.difference(left, right) for left, right in both]

    def _kl_of(self, method: str) -> float | None:
        """KL of a method with one row, when it was measured."""
        return next((row.kl for row in self._of(method)), None)

    def _of(self, method: str) -> list[Row]:
        return [row for row in self.rows if row.method == method]

    def _row(self, key: str) -> Row:
        found = [item[key] for item in self._items if key in item]
        name, _, nominal = key.partition("@")
        kls = [outcome.kl for outcome in found]
        low, high = self.interval(kls)
        is_swept = nominal not in ("", "1")
        return Row(
            method=name,
            items=len(found),
            share=float(nominal) if is_swept else float(np.mean([outcome.share for outcome in found])),
            kl=float(np.mean(kls)),
            kl_low=low,
            kl_high=high,
            kl_worst=max(kls),
            same=float(np.mean([outcome.same_answer for outcome in found])),
            gold=float(np.mean([outcome.gold for outcome in found])),
            ttft=float(np.mean([outcome.ttft_ratio for outcome in found])),
        )


def _order(key: str) -> tuple[int, str, float]:
    """Rows of the JSON first, in their order, then the others; by share."""
    name, _, share = key.partition("@")
    place = _METHODS.index(name) if name in _METHODS else len(_METHODS)
    return place, name, float(share or 0)


def _best(rows: Sequence[Row], ttft: float) -> Row:
    """The row of least KL that is fast enough, of those that were measured on every item."""
    items = max(row.items for row in rows)
    return min(
        (row for row in rows if row.ttft <= ttft and row.items == items), key=lambda row: row.kl, default=rows[0]
    )
