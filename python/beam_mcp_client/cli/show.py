"""How answers look: aligned text (coloured by `rich` where it is installed), JSON, ids."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import MCPError

Row = Mapping[str, Any]

JOB_COLUMNS = ("job_id", "name", "state", "target", "job_type", "creation_time", "duration")
JOB_FIELDS = (
    "job_id",
    "name",
    "state",
    "runner_state",
    "target",
    "runner_type",
    "job_type",
    "parallelism",
    "creation_time",
    "start_time",
    "end_time",
    "duration",
    "native_id",
    "savepoint_path",
    "ended_by",
    "open_operations",
    "observed_at",
    "stale_since",
    "diagnostics",
)
COLOURS = {
    "RUNNING": "green",
    "FINISHED": "green",
    "DRAINED": "green",
    "AVAILABLE": "green",
    "SUCCEEDED": "green",
    "FAILED": "red",
    "LOST": "red",
    "SUBMIT_UNKNOWN": "red",
    "UNKNOWN": "red",
    "PARKED": "yellow",
    "CANCELED": "yellow",
    "RECOVERING": "yellow",
}


def record(data: Row, fields: Sequence[str], output: str, name: str) -> None:
    """One object: a line for each field that has something to say."""
    if output != "table":
        _machine([data], output, name, single=True)
        return
    pairs = [
        (field, printable(data[field])) for field in fields if data.get(field) not in (None, "", [])
    ]
    width = max((len(field) for field, _ in pairs), default=0)
    for field, text in pairs:
        print(f"{field:<{width}}  {text.replace(chr(10), chr(10) + ' ' * (width + 2))}")


def rows(data: Sequence[Row], columns: Sequence[str], output: str, name: str) -> None:
    """Objects below each other."""
    if output != "table":
        _machine(data, output, name, single=False)
        return
    cells = [[printable(row.get(column)) for column in columns] for row in data]
    if not (sys.stdout.isatty() and _rich_table(columns, cells)):
        _plain_table(columns, cells)


def plan(data: Row, output: str) -> None:
    """What a dry run answers."""
    if output != "table":
        _machine([data], output, "digest", single=True)
        return
    print(printable(data["summary"]))
    for call in data.get("calls", ()):
        print(f"  call    {printable(call['call'])}: {printable(call['purpose'])}")
    for option in data.get("options", ()):
        name, value, origin = (printable(option[part]) for part in ("name", "value", "from"))
        note = f" ({printable(option['note'])})" if option.get("note") else ""
        print(f"  option  {name}={value}, from {origin}{note}")
    for word in ("changes", "unknown"):
        for text in data.get(word, ()):
            print(f"  {word.removesuffix('s'):<7} {printable(text)}")
    print(f"  digest  {printable(data['digest'])}")


def error(error: MCPError) -> None:
    """An error and what to do next, on standard error."""
    lines = [f"beam-mcp: {printable(error.message)}"]
    facts = ", ".join(f"{name} {value}" for name, value in sorted(error.context.items()))
    if facts:
        lines.append(f"  {printable(facts)}")
    if error.suggestion:
        lines.append(f"  next: {printable(error.suggestion)}")
    if error.request_id:
        lines.append(f"  request {printable(error.request_id)}")
    print("\n".join(lines), file=sys.stderr)


def notes(found: Sequence[str] | None) -> None:
    """What a reader should know, beside the output."""
    for note in found or ():
        print(f"note: {printable(note)}", file=sys.stderr)


def measured(metric: Row) -> Any:
    """The value of a metric, or the runner's own words where that is no value."""
    for told in (metric, metric.get("raw") or {}):
        for side in ("committed", "attempted"):
            if told.get(side) is not None:
                return told[side]
    return None


def printable(value: Any) -> str:
    """Text without what would steer a terminal."""
    if value is None:
        return ""
    if isinstance(value, list):
        return " ".join(map(printable, value))  # pyright: ignore[reportUnknownArgumentType]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(
        character for character in text if character.isprintable() or character in "\n\t"
    )


def as_json(value: Any, indent: int | None = None) -> str:
    """The whole value, with escapes for what would steer a terminal."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return "".join(
        character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1]
        for character in text
    )


def _machine(data: Sequence[Row], output: str, name: str, *, single: bool) -> None:
    plain = [dict(row) for row in data]
    if output == "id":
        for row in plain:
            print(printable(row.get(name)))
    elif output == "jsonl":
        for row in plain:
            print(as_json(row))
    else:
        print(as_json(plain[0] if single else plain, indent=2))


def _plain_table(columns: Sequence[str], cells: list[list[str]]) -> None:
    lines = [[column.upper() for column in columns], *cells]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    most = shutil.get_terminal_size((200, 24)).columns if sys.stdout.isatty() else None
    for line in lines:
        text = "  ".join(
            f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        print(text if most is None else text[:most])


def _rich_table(columns: Sequence[str], cells: list[list[str]]) -> bool:
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return False
    table = Table(*(column.upper() for column in columns), box=None, pad_edge=False)
    for line in cells:
        table.add_row(*(Text(cell, COLOURS.get(cell, "")) for cell in line))
    Console().print(table)
    return True
