"""What Beam measured of the pipelines of a program, as rows that every JSON reader understands, within bounds."""

from __future__ import annotations

import copy
import itertools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

LABEL_BYTES = 256
METRICS = 2_000
STRINGS_PER_SET = 100
STRINGS = 10_000
ERRORS = 20
INT64 = 2**63
OTHERS = "others"
"""Kinds that are not read: their values are texts."""

Row = dict[str, Any]


def collect(results: Sequence[Any]) -> Row:
    """At most METRICS rows over all kinds and pipelines, and whether there were more.

    A pipeline without a result, None, has none.
    """
    errors: list[str] = []
    rows = list(itertools.islice(metric_rows(results, errors), METRICS + 1))
    kinds: Row = {
        kind: [row for k, row in rows[:METRICS] if k == kind] for kind in (*CONVERT, OTHERS)
    }
    kept = drop_strings(kinds["string_sets"])
    return {**kinds, "truncated": len(rows) > METRICS or not kept, "errors": errors[:ERRORS]}


def metric_rows(results: Sequence[Any], errors: list[str]) -> Iterator[tuple[str, Row]]:
    for index, result in enumerate(results):
        try:
            yield from run_rows(index, result)
        except Exception as error:  # noqa: BLE001 - some runners cannot answer; the job still ended
            reason = f"pipeline {index}: {type(error).__name__}: {error}"
            errors.append(clip(reason, LABEL_BYTES))


def run_rows(index: int, result: Any) -> Iterator[tuple[str, Row]]:
    found = metrics_now(result).query() if result is not None else {}
    for kind, convert in CONVERT.items():
        for item in sorted(found.get(kind, ()), key=sort_key):
            yield kind, {"pipeline": index, **metric_row(item, convert)}
    for kind in sorted(found.keys() - CONVERT.keys()):
        for item in sorted(found[kind], key=sort_key):
            yield OTHERS, {"pipeline": index, **metric_row(item, words)}


def aside(result: Any) -> Any:
    """A copy to ask from: asking writes into a result, which is the program's own.

    Beam's result of a job service keeps the first metrics that it was told; the copy has none yet.
    """
    try:
        found = copy.copy(result)
    except Exception:  # noqa: BLE001 - a result of the program's own making
        return result
    if "_metrics" in getattr(found, "__dict__", {}):
        found._metrics = None
    return found


def metrics_now(result: Any) -> Any:
    """The metrics as they are now, or as the program last read them from a runner that is gone."""
    try:
        return aside(result).metrics()
    except Exception:  # noqa: BLE001 - if there is nothing either, that is the error to tell
        return result.metrics()


def sort_key(item: Any) -> tuple[str, str, str]:
    metric = item.key.metric
    return str(item.key.step or ""), str(metric.namespace), str(metric.name)


def metric_row(item: Any, convert: Callable[[Any], Any]) -> Row:
    step, namespace, name = (clip(text, LABEL_BYTES) for text in sort_key(item))
    row: Row = {"namespace": namespace, "name": name, "step": step}
    for side in ("attempted", "committed"):
        value = getattr(item, side)
        row[side] = None if value is None else convert(value)
    return row


def number(value: Any) -> int | float | str | None:
    """A number that every JSON reader understands, or the text of what is none."""
    if value is None or (isinstance(value, float) and math.isfinite(value)):
        return value
    try:
        whole = operator.index(value)
    except TypeError:
        return words(value)
    if -INT64 <= whole < INT64:
        return whole
    # Python writes no text of a number with thousands of digits.
    return words(whole if whole.bit_length() <= 1_024 else hex(whole))


def words(value: Any) -> str:
    try:
        return clip(str(value), LABEL_BYTES)
    except Exception as error:  # noqa: BLE001 - an object of the program's own may do anything
        return clip(f"{type(value).__name__}: {type(error).__name__}", LABEL_BYTES)


def distribution(value: Any) -> Row:
    return {part: number(getattr(value, part)) for part in ("count", "sum", "min", "max")}


def gauge(value: Any) -> Row:
    return {"value": number(value.value), "timestamp_ms": milliseconds(value.timestamp)}


def milliseconds(timestamp: Any) -> int | None:
    micros = getattr(timestamp, "micros", None)
    if micros is not None:
        return int(micros) // 1000
    return int(timestamp * 1000) if isinstance(timestamp, (int, float)) else None


def string_set(value: Any) -> list[str]:
    strings = getattr(value, "string_set", value)
    return sorted(clip(str(text), LABEL_BYTES) for text in strings)


def drop_strings(rows: list[Row]) -> bool:
    """Cuts string sets to their bounds, in place; False when something was dropped."""
    room, whole = STRINGS, True
    for row, side in itertools.product(rows, ("attempted", "committed")):
        strings = row[side] or []
        keep = min(len(strings), STRINGS_PER_SET, room)
        whole = whole and keep == len(strings)
        room -= keep
        del strings[keep:]
    return whole


CONVERT: dict[str, Callable[[Any], Any]] = {
    "counters": number,
    "distributions": distribution,
    "gauges": gauge,
    "string_sets": string_set,
}


def clip(text: str, limit: int) -> str:
    """The first `limit` bytes of `text` as clean UTF-8."""
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
