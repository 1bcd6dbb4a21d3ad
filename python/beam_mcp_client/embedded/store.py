"""Records in this process: the twin of the server's memory store, under the same cases (tests/python/test_store.py)."""

from __future__ import annotations

import bisect
import threading
from typing import Any

MOST_WRITES = 20
LONGEST_VALUE = 256 << 10
LONGEST_ID = 512
LARGEST_PAGE = 200
ALL_TENANTS = "*"

Record = dict[str, Any]


class MemoryStore:
    """Answers the core's store operations. Safe to use from many threads."""

    def __init__(self, most_bytes: int = 256 << 20) -> None:
        self._lock = threading.Lock()
        self._shelves: dict[tuple[str, str], _Shelf] = {}
        self._bytes = 0
        self._most_bytes = most_bytes

    def perform(self, op: dict[str, Any]) -> dict[str, Any]:
        """The reply to an operation, both in the core's JSON form."""
        broken = _broken_limit(op)
        if broken:
            return _failed(broken)
        with self._lock:
            if op["op"] == "get":
                return {"store": "record", "record": self._get(op["key"])}
            if op["op"] == "scan":
                return {"store": "page", "records": self._scan(op)}
            return self._commit(op)

    def _get(self, key: dict[str, str]) -> Record | None:
        shelf = self._shelves.get((key["kind"], key["tenant"]))
        return shelf.records.get(key["id"].encode()) if shelf else None

    def _scan(self, scan: dict[str, Any]) -> list[Record]:
        found: list[Record] = []
        for (kind, tenant), shelf in self._shelves.items():
            if kind == scan["kind"] and scan["tenant"] in {ALL_TENANTS, tenant}:
                found += shelf.page(scan)
        found.sort(
            key=lambda record: (record["key"]["id"].encode(), record["key"]["tenant"].encode())
        )
        if scan.get("descending"):
            found.reverse()
        return found[: scan["limit"]]

    def _commit(self, commit: dict[str, Any]) -> dict[str, Any]:
        stored = [self._get(write["key"]) for write in commit["writes"]]
        conflict, again = _judge(commit, stored)
        if conflict is not None:
            return {"store": "conflict", "index": conflict, "current": stored[conflict]}
        if again:
            return _committed(commit, stored, 0)
        if self._bytes + sum(map(_size, commit["writes"])) > self._most_bytes:
            return _failed("memory_full")
        for write, record in zip(commit["writes"], stored, strict=True):
            self._write(commit["op_id"], write, record)
        return _committed(commit, stored, 1)

    def _write(self, op_id: str, write: dict[str, Any], before: Record | None) -> None:
        key, put = write["key"], write["put"]
        shelf = self._shelves.setdefault((key["kind"], key["tenant"]), _Shelf())
        if before is not None:
            self._bytes -= len(key["id"].encode()) + len(before["value"].encode())
            shelf.remove(key["id"])
        if put is not None:
            self._bytes += _size(write)
            version = (before["version"] if before else 0) + 1
            shelf.add({"key": key, "version": version, "op": op_id, "expires_at": None, **put})


class _Shelf:
    """Records of one kind and tenant, with their ids in byte order."""

    def __init__(self) -> None:
        self.records: dict[bytes, Record] = {}
        self._ids: list[bytes] = []

    def add(self, record: Record) -> None:
        name = record["key"]["id"].encode()
        self.records[name] = record
        bisect.insort(self._ids, name)

    def remove(self, name: str) -> None:
        del self.records[name.encode()]
        del self._ids[bisect.bisect_left(self._ids, name.encode())]

    def page(self, scan: dict[str, Any]) -> list[Record]:
        prefix: bytes = scan.get("prefix", "").encode()
        low = bisect.bisect_left(self._ids, prefix)
        high = bisect.bisect_left(self._ids, prefix + b"\xff") if prefix else len(self._ids)
        after = scan.get("after")
        if after is not None and scan.get("descending"):
            high = min(high, bisect.bisect_left(self._ids, after.encode()))
        elif after is not None:
            low = max(low, bisect.bisect_right(self._ids, after.encode()))
        if scan.get("descending"):
            low = max(low, high - scan["limit"])
        return [self.records[name] for name in self._ids[low:high]][
            : None if scan.get("descending") else scan["limit"]
        ]


def _judge(commit: dict[str, Any], stored: list[Record | None]) -> tuple[int | None, bool]:
    """Index of the write that does not fit, or whether the commit was made before.

    It counts as made before only when every write that does not fit is itself the cause: a record that another commit
    has moved on since is a conflict.
    """
    op_id = commit["op_id"]
    pairs = list(zip(commit["writes"], stored, strict=True))
    misfits = [index for index, (write, at) in enumerate(pairs) if not _fits(write["expect"], at)]
    if not misfits:
        return None, False
    for index in misfits:
        write, at = pairs[index]
        if at["op"] != op_id if at else write["put"] is not None:
            return index, False
    signed = any(at is not None and at["op"] == op_id for at in stored)
    return (None, True) if signed else (misfits[0], False)


def _fits(expect: str | dict[str, int], at: Record | None) -> bool:
    if expect == "any":
        return True
    if isinstance(expect, str):  # "absent"
        return at is None
    return at is not None and at["version"] == expect["version"]


def _committed(commit: dict[str, Any], stored: list[Record | None], grown: int) -> dict[str, Any]:
    versions = [
        0 if write["put"] is None else (at["version"] if at else 0) + grown
        for write, at in zip(commit["writes"], stored, strict=True)
    ]
    return {"store": "committed", "versions": versions}


def _size(write: dict[str, Any]) -> int:
    put = write["put"]
    return 0 if put is None else len(write["key"]["id"].encode()) + len(put["value"].encode())


def _failed(reason: str) -> dict[str, Any]:
    return {"store": "failed", "reason": reason}


def _broken_limit(op: dict[str, Any]) -> str | None:
    if op["op"] == "scan" and not 1 <= op["limit"] <= LARGEST_PAGE:
        return "bad_page_size"
    if op["op"] != "commit":
        return None
    writes = op["writes"]
    if len(writes) > MOST_WRITES:
        return "too_many_writes"
    if len({tuple(write["key"].values()) for write in writes}) < len(writes):
        return "key_written_twice"
    return next(filter(None, map(_broken_write, writes)), None)


def _broken_write(write: dict[str, Any]) -> str | None:
    if not 1 <= len(write["key"]["id"].encode()) <= LONGEST_ID:
        return "bad_id_length"
    if write["key"]["tenant"] == ALL_TENANTS:
        return "bad_tenant"
    put = write["put"]
    return "value_too_large" if put and len(put["value"].encode()) > LONGEST_VALUE else None
