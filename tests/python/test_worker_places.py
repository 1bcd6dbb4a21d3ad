"""Folders of a worker pool: which stay, which go, and who waits for whom."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from beam_mcp_client.worker_places import Place, WorkerPlaces

LONG_S = 20.0


def made(folder: Path) -> None:
    folder.mkdir()
    (folder / "content").touch()


def kept(places: WorkerPlaces) -> list[str]:
    return sorted(path.name for path in places.root.iterdir())


def used_once(places: WorkerPlaces, *digests: str) -> None:
    for digest in digests:
        places.leave(places.enter(digest, made))
        time.sleep(0.01)


def test_of_what_is_idle_the_last_used_stay() -> None:
    places = WorkerPlaces(most_idle=2)
    used_once(places, "a", "b", "a", "c")
    assert kept(places) == ["a", "c"]
    places.close()
    assert not places.root.exists()


def test_what_is_in_use_stays() -> None:
    places = WorkerPlaces(most_idle=0)
    first, second = places.enter("a", made), places.enter("a", made)
    used_once(places, "b")
    places.leave(first)
    assert kept(places) == ["a"], "one of its workers is there still"
    places.leave(second)
    assert kept(places) == []
    assert places.enter("a", made).folder.exists(), "it is set up again when it is needed again"
    places.close()


def test_what_was_idle_for_long_goes() -> None:
    places = WorkerPlaces(idle_s=0.05)
    used_once(places, "a")
    time.sleep(0.1)
    used_once(places, "b")
    assert kept(places) == ["b"]
    places.close()


def test_what_is_idle_for_long_goes_though_nobody_comes() -> None:
    places = WorkerPlaces(idle_s=0.2, look_s=0.05)
    used = places.enter("a", made)
    used_once(places, "b")
    end = time.monotonic() + LONG_S
    while kept(places) != ["a"]:
        assert time.monotonic() < end, kept(places)
        time.sleep(0.05)
    assert used.folder.exists()
    places.close()


def test_one_set_up_does_not_wait_for_another() -> None:
    places = WorkerPlaces()
    begun, go_on = threading.Event(), threading.Event()

    def slow(folder: Path) -> None:
        begun.set()
        assert go_on.wait(LONG_S)
        made(folder)

    with ThreadPoolExecutor() as threads:
        one = threads.submit(places.enter, "a", slow)
        assert begun.wait(LONG_S)
        same = threads.submit(places.enter, "a", made)
        try:
            other: Place = threads.submit(places.enter, "b", made).result(LONG_S)
            assert other.folder.exists()
            assert not same.done(), "the same is set up once"
        finally:
            go_on.set()
        assert one.result(LONG_S) is same.result(LONG_S)
    places.close()


def test_what_cannot_be_set_up_is_tried_again() -> None:
    def fails(folder: Path) -> None:
        raise RuntimeError("no index")

    places = WorkerPlaces()
    with pytest.raises(RuntimeError, match="no index"):
        places.enter("a", fails)
    assert kept(places) == []
    assert places.enter("a", made).folder.exists()
    places.close()


def test_why_it_cannot_be_set_up_is_said_when_the_folders_are_gone() -> None:
    places = WorkerPlaces()
    in_use = places.enter("a", made)

    def fails(folder: Path) -> None:
        places.close()
        raise RuntimeError("pip was ended")

    with pytest.raises(RuntimeError, match="pip was ended"):
        places.enter("b", fails)
    places.leave(in_use)
    assert not places.root.exists()
