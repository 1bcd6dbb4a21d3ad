"""The memory store of `embedded:` under the cases of the native stores (lambda/src/store/suite.rs)."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from beam_mcp_client.embedded.store import MemoryStore

ANY, ABSENT = "any", "absent"


def version(number: int) -> dict[str, int]:
    return {"version": number}


def write(
    name: str, expect: Any = ANY, value: str | None = "", tenant: str = "default", **put: Any
) -> dict[str, Any]:
    content = None if value is None else {"schema": 1, "expires_at": None, "value": value, **put}
    return {"key": {"tenant": tenant, "kind": "job", "id": name}, "expect": expect, "put": content}


class Store:
    """A store with the words of the cases."""

    def __init__(self, most_bytes: int = 64 << 20) -> None:
        self.store = MemoryStore(most_bytes)

    def commit(self, op: str, *writes: dict[str, Any]) -> dict[str, Any]:
        return self.store.perform({"op": "commit", "op_id": op, "writes": list(writes)})

    def get(self, name: str, tenant: str = "default") -> Any:
        key = {"tenant": tenant, "kind": "job", "id": name}
        return self.store.perform({"op": "get", "key": key})["record"]

    def ids(
        self, prefix: str = "", limit: int = 200, tenant: str = "default", **more: Any
    ) -> list[str]:
        scan = {
            "op": "scan",
            "tenant": tenant,
            "kind": "job",
            "prefix": prefix,
            "limit": limit,
            **more,
        }
        return [record["key"]["id"] for record in self.store.perform(scan)["records"]]


@pytest.fixture
def store() -> Store:
    return Store()


def made(*versions: int) -> dict[str, Any]:
    return {"store": "committed", "versions": list(versions)}


def failed(reason: str) -> dict[str, Any]:
    return {"store": "failed", "reason": reason}


def test_versions_grow_and_restart(store: Store) -> None:
    assert store.commit("v1", write("v", value="a")) == made(1)
    assert store.commit("v2", write("v", value="b")) == made(2)
    record = store.get("v")
    assert (record["version"], record["op"], record["schema"], record["value"]) == (2, "v2", 1, "b")
    assert store.commit("v3", write("v", version(2), None)) == made(0)
    assert store.get("v") is None
    assert store.commit("v4", write("v", ABSENT, "c")) == made(1)
    assert store.get("v", "other") is None


def test_absent_is_won_once(store: Store) -> None:
    for number in range(20):
        replies: list[dict[str, Any]] = []

        def race(racer: int, number: int = number, replies: list[dict[str, Any]] = replies) -> None:
            replies.append(store.commit(f"r{racer}", write(f"race{number}", ABSENT, "x")))

        threads = [threading.Thread(target=race, args=(racer,)) for racer in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(reply["store"] for reply in replies) == ["committed"] + ["conflict"] * 7


def test_a_conflict_names_its_write_and_changes_nothing(store: Store) -> None:
    store.commit("c1", write("c", value="old"))
    current = store.get("c")
    conflict = store.commit("c2", write("c-other", value="x"), write("c", version(7), "new"))
    assert conflict == {"store": "conflict", "index": 1, "current": current}
    assert (store.get("c-other"), store.get("c")["value"]) == (None, "old")
    nothing = store.commit("c3", write("nothing", version(1), None))
    assert nothing == {"store": "conflict", "index": 0, "current": None}


def test_the_same_commit_twice_is_success(store: Store) -> None:
    store.commit("s0", write("s-gone", value="x"))
    writes = [
        write("s", ABSENT, "x"),
        write("s-gone", version(1), None),
        write("s-row", ABSENT, "y"),
    ]
    assert store.commit("s1", *writes) == made(1, 0, 1)
    assert store.commit("s1", *writes) == made(1, 0, 1)
    assert store.commit("s2", *writes)["index"] == 0


def test_a_commit_written_over_is_a_conflict(store: Store) -> None:
    writes = [write("w-audit", ABSENT, "a"), write("w", ABSENT, "1")]
    assert store.commit("w1", *writes) == made(1, 1)
    store.commit("w2", write("w", value="2"))
    again = store.commit("w1", *writes)
    assert (again["store"], again["index"], again["current"]["version"]) == ("conflict", 1, 2)


def test_pages_follow_the_order_of_bytes(store: Store) -> None:
    for name in ["p/b", "p/a", "p/B", "p/é", "p/a0", "p/a/x"]:
        store.commit(f"p{name}", write(name))
    order = ["p/B", "p/a", "p/a/x", "p/a0", "p/b", "p/é"]
    assert store.ids("p/") == order
    assert store.ids("p/", 4) + store.ids("p/", 4, after="p/a0") == order
    assert store.ids("p/", 2, descending=True, after="p/b") == ["p/a0", "p/a/x"]
    assert store.ids("p/", 9, after="p/é") == []
    assert store.ids("p/", 9, descending=True, after="p/B") == []


def test_prefixes_are_bytes(store: Store) -> None:
    names = ["q%a", "q%b", "qxa", "q_", "q\U0010ffff", "q\U0010ffffz", "q\0", "q'--"]
    for number, name in enumerate(names):
        store.commit(f"q{number}", write(name))
    assert store.ids("q%", 9) == ["q%a", "q%b"]
    assert store.ids("q_", 9) == ["q_"]
    assert store.ids("q\U0010ffff", 9) == ["q\U0010ffff", "q\U0010ffffz"]
    assert len(store.ids("q")) == 8
    assert store.ids("q", 1, after="q") == ["q\0"]


def test_all_tenants_are_one_order(store: Store) -> None:
    for tenant, name in [("t1", "z/1"), ("t2", "z/2"), ("t1", "z/3"), ("t3", "z/4")]:
        store.commit(f"z{name}", write(name, tenant=tenant))
    assert store.ids("z/", 3, "*") == ["z/1", "z/2", "z/3"]
    assert store.ids("z/", 3, "*", after="z/3") == ["z/4"]
    assert store.ids("z/", 3, "*", descending=True) == ["z/4", "z/3", "z/2"]
    assert store.ids("z/", 9) == []


def test_limits_hold(store: Store) -> None:
    many = [write(f"l{number}") for number in range(21)]
    assert store.commit("l", *many[:20]) == made(*[1] * 20)
    assert store.commit("l", *many) == failed("too_many_writes")
    assert store.commit("m", write("m"), write("m")) == failed("key_written_twice")
    assert store.commit("m", write("m", value="v" * (256 << 10))) == made(1)
    assert store.commit("m", write("m", value="v" * ((256 << 10) + 1))) == failed("value_too_large")
    assert store.commit("m", write("x" * 513)) == failed("bad_id_length")
    assert store.commit("m", write("")) == failed("bad_id_length")
    assert store.commit("m", write("x", tenant="*")) == failed("bad_tenant")
    for limit in (0, 201):
        reply = store.store.perform(
            {"op": "scan", "tenant": "default", "kind": "job", "limit": limit}
        )
        assert reply == failed("bad_page_size")


def test_a_full_store_refuses_writes_and_answers_reads() -> None:
    store = Store(64)
    assert store.commit("op1", write("a", value="v" * 60)) == made(1)
    assert store.commit("op2", write("b", value="more")) == failed("memory_full")
    assert store.get("a")["value"] == "v" * 60
    assert store.commit("op3", write("a", value=None)) == made(0)
    assert store.commit("op2", write("b", value="more")) == made(1)
