"""Runs one Beam job of the Direct runner and writes down how it ended.

    python -I wrapper.py <folder> <script|module|pipeline> <target> [args...]

With `capture-` before the word the program runs until it submits its pipeline, which is kept
instead of run: see `capture.py` beside this file. The target of `pipeline` is the file of one that
was built elsewhere: see `handed.py`.

The parent makes the session and the folder, redirects stdout and stderr to files, and holds the
other end of stdin. Nothing runs before the byte `R` arrives there. Then `<folder>/state.json`
appears, and at the end `<folder>/result.json`. There is no result when the process is killed or
calls `os._exit`: what that means only the parent can tell. Where a runner tells of its pipelines
while they run, `state.json` has it: see `live.py`.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import json
import os
import platform
import runpy
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

KINDS = ("script", "module", "pipeline")

EXIT_USAGE = 64
EXIT_NOT_RELEASED = 75
EXIT_INTERRUPTED = 130

MESSAGE_BYTES = 8 * 1024
TRACEBACK_BYTES = 16 * 1024

GOOD_STATES = frozenset({"DONE", "DRAINED", "UPDATED"})
FINAL_STATES = GOOD_STATES | {"FAILED", "CANCELLED"}
# A runner that cannot be asked any more tells nothing more.
ENDED_STATES = FINAL_STATES | {"UNKNOWN"}

Row = dict[str, Any]


def beside(name: str) -> Any:
    """What is in a file beside this one."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"beam_mcp_{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


metrics = beside("metrics")


# ---- what is remembered while the program runs


@dataclass
class Run:
    """One call of `Pipeline.run`: its result, or what it raised, or neither yet."""

    result: Any = None
    raised: BaseException | None = None
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def state(self) -> str:
        if self.raised is not None:
            return "FAILED"
        return known_state(self.result) if self.over.is_set() else "RUNNING"

    @property
    def goes_on(self) -> bool:
        """True for a pipeline that its runner lets go on after `run` has returned."""
        return (
            self.result is not None and known_state(metrics.aside(self.result)) not in ENDED_STATES
        )


@dataclass(frozen=True)
class Ending:
    """How the program itself ended, as the operating system will see it."""

    exit_code: int
    error: Row | None = None


def known_state(result: Any) -> str:
    """What the runner says; it may be far away and not answer."""
    try:
        return metrics.clip(str(result.state), metrics.LABEL_BYTES)
    except Exception:  # noqa: BLE001 - a runner that cannot tell leaves the state unknown
        return "UNKNOWN"


def record_runs(pipeline: Any, runs: list[Run], goes_on: Callable[[], None]) -> None:
    """Makes `pipeline.run` remember its results; runs within a run belong to the outer one."""
    original: Callable[..., Any] = pipeline.run
    inside = threading.local()

    @functools.wraps(original)
    def run(*args: Any, **kwargs: Any) -> Any:
        if getattr(inside, "run", False):
            return original(*args, **kwargs)
        entry = Run()
        runs.append(entry)
        inside.run = True
        try:
            return remember(entry, functools.partial(original, *args, **kwargs))
        finally:
            inside.run = False
            if entry.goes_on:
                goes_on()

    pipeline.run = run


def remember(run: Run, call: Callable[[], Any]) -> Any:
    try:
        run.result = call()
    except BaseException as error:
        run.raised = error
        raise
    finally:
        run.over.set()
    return run.result


# ---- running the program


def execute(
    kind: str, target: str, runs: list[Run], goes_on: Callable[[], None], capture: Any = None
) -> Ending:
    try:
        beam = importlib.import_module("apache_beam")
        record_runs(beam.Pipeline, runs, goes_on)
        forbid_silent_download()
        if kind == "pipeline":
            return handed_over(target, runs, capture)
        if capture is not None:
            sys.argv += capture.start()
        add_import_path(target)
        run_target(kind, target)
    except SystemExit as stop:
        return exit_ending(stop)
    except BaseException as error:  # noqa: BLE001 - whatever ended the program is its ending
        return crash_ending(error)
    return Ending(0)


def handed_over(path: str, runs: list[Run], capture: Any) -> Ending:
    """Runs a pipeline that was built elsewhere, or keeps it, which ends this process."""
    handed = beside("handed")
    prepare = handed.read(path)
    if capture is not None:
        capture.keep(prepare)
    run = Run()
    runs.append(run)
    remember(run, functools.partial(handed.run, prepare, sys.argv[1:]))
    return Ending(0)


def run_target(kind: str, target: str) -> None:
    if kind == "script":
        runpy.run_path(target, run_name="__main__")
    else:
        runpy.run_module(target, run_name="__main__", alter_sys=True)


def forbid_silent_download() -> None:
    """Beam's default runner first fetches and starts Prism, except when it is interactive.

    `beam.Pipeline()` does not look at the command line, so `--runner` alone cannot prevent that.
    Who names PrismRunner still gets it.
    """
    direct = importlib.import_module("apache_beam.runners.direct.direct_runner")
    direct.SwitchingDirectRunner._is_interactive = True


def add_import_path(target: str) -> None:
    """The program's own modules, here and in the worker processes that Beam may start."""
    path = os.environ.get("BEAM_MCP_PYTHONPATH") or os.path.dirname(os.path.abspath(target))
    sys.path.insert(0, path)
    os.environ["PYTHONPATH"] = path


def exit_ending(stop: SystemExit) -> Ending:
    code = exit_code(stop.code)
    if code == 0:
        return Ending(0)
    if not isinstance(stop.code, int):
        print(stop.code, file=sys.stderr)
    message = f"the program called sys.exit({stop.code!r})"
    return Ending(code, describe(stop) | {"message": metrics.clip(message, MESSAGE_BYTES)})


def exit_code(code: object) -> int:
    if code is None:
        return 0
    return code & 0xFF if isinstance(code, int) else 1


def crash_ending(error: BaseException) -> Ending:
    error.__traceback__ = own_frames(error.__traceback__)
    with contextlib.suppress(Exception):
        sys.excepthook(type(error), error, error.__traceback__)
    code = EXIT_INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1
    return Ending(code, describe(error))


def own_frames(trace: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames of this file and of runpy above the program."""
    above = {__file__, runpy.run_path.__code__.co_filename}
    while trace and trace.tb_frame.f_code.co_filename in above:
        trace = trace.tb_next
    return trace


def describe(error: BaseException) -> Row:
    lines = traceback.format_exception(type(error), error, own_frames(error.__traceback__))
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - a broken __str__ must not hide the failure
        message = "<the exception has no readable message>"
    return {
        "type": metrics.clip(type(error).__qualname__, metrics.LABEL_BYTES),
        "message": metrics.clip(message, MESSAGE_BYTES),
        "traceback_tail": clip_front("".join(lines), TRACEBACK_BYTES),
    }


# ---- judging


def settle(runs: list[Run]) -> Row | None:
    """Waits for pipelines the program left running; the first error found there."""
    first: Row | None = None
    for run in runs:  # grows while a thread of the program still starts pipelines
        run.over.wait()
        try:
            if run.raised is None and run.state not in FINAL_STATES:
                run.result.wait_until_finish()
        except BaseException as error:  # noqa: BLE001 - one failure must not hide the others
            traceback.print_exception(error)
            first = first or describe(error)
    return first


def judged(runs: list[Run]) -> list[tuple[int, Run]]:
    """All runs but those that raised and that the program followed by another attempt."""
    last = len(runs) - 1
    return [(i, run) for i, run in enumerate(runs) if run.raised is None or i == last]


def judge(ending: Ending, late: Row | None, runs: list[Run]) -> str:
    if ending.exit_code != 0:
        return "FAILED"
    bad = {run.state for _, run in judged(runs)} - GOOD_STATES
    if not bad:
        return "FAILED" if late else "FINISHED"
    return "CANCELED" if bad == {"CANCELLED"} else "FAILED"


def pipeline_error(runs: list[Run]) -> Row | None:
    """The reason why a program that exited with 0 has failed none the less."""
    for index, run in judged(runs):
        if run.raised is not None:
            return describe(run.raised)
        if run.state not in GOOD_STATES:
            message = f"pipeline {index} ended in state {run.state}"
            return {"type": "PipelineState", "message": message, "traceback_tail": ""}
    return None


# ---- what is told


def tell(runs: list[Run], write: Callable[[Row], None]) -> bool:
    """Writes what the runners say of the pipelines; True as long as one goes on."""
    states = [
        known_state(metrics.aside(run.result)) if run.result is not None else run.state
        for run in runs
    ]
    told = metrics.collect([run.result for run in runs])
    if not told["errors"] or any(told[kind] for kind in metrics.CONVERT):
        states_told = states[: metrics.METRICS]
        write({"metrics": told, "pipeline_states": states_told, "metrics_at_ms": now_ms()})
    going = zip(runs, states, strict=True)
    return any(run.result is not None and state not in ENDED_STATES for run, state in going)


# ---- files and bounds


def clip_front(text: str, limit: int) -> str:
    """The last `limit` bytes of `text` as clean UTF-8."""
    return text.encode("utf-8", "replace")[-limit:].decode("utf-8", "ignore")


def write_json(folder: str, name: str, document: Row) -> None:
    """Whole or not at all, also when the machine stops."""
    path = os.path.join(folder, name)
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        json.dump(document, file, allow_nan=False)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".tmp", path)
    sync_folder(folder)


def sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


# ---- the whole


def released() -> bool:
    """Waits for the parent's word; False when the parent has gone. Stdin is empty afterwards."""
    word = os.read(0, 1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return word == b"R"


def report(ending: Ending, runs: list[Run]) -> Row:
    late = settle(runs) if ending.exit_code == 0 else None
    state = judge(ending, late, runs)
    error = ending.error or late or (pipeline_error(runs) if state == "FAILED" else None)
    return {
        "state": state,
        "exit_code": ending.exit_code,
        "beam_version": getattr(sys.modules.get("apache_beam"), "__version__", None),
        "python_version": platform.python_version(),
        "error": error,
        "metrics": metrics.collect([run.result for run in runs]),
        "pipeline_states": [run.state for run in runs[: metrics.METRICS]],
        "finished_at_ms": now_ms(),
    }


def supervise(folder: str, kind: str, target: str) -> int:
    pid, runs = os.getpid(), list[Run]()
    begun: Row = {"state": "RUNNING", "pid": pid, "started_at_ms": now_ms()}
    write_json(folder, "state.json", begun)
    plain = kind.removeprefix("capture-")
    capture = None if plain == kind else capturing(folder)
    live = beside("live").Live(
        functools.partial(tell, runs, lambda told: write_json(folder, "state.json", begun | told))
    )
    ending = execute(plain, target, runs, live.begin, capture)
    if os.getpid() == pid:  # a child that the program forked must not speak for it
        document = report(ending, runs)
        live.end()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        write_json(folder, "result.json", document)
        if capture is not None:
            capture.close()
    return ending.exit_code


def capturing(folder: str) -> Any:
    """The Job API of this process."""
    report = functools.partial(write_json, folder, "result.json")
    return beside("capture").Capture(folder, report)


def main(argv: list[str]) -> int:
    match argv:
        case [_, folder, kind, target, *_] if kind.removeprefix("capture-") in KINDS:
            folder = os.path.abspath(folder)
        case _:
            print(
                "usage: wrapper.py <folder> <script|module|pipeline> <target> [args...]",
                file=sys.stderr,
            )
            return EXIT_USAGE
    if not released():
        return EXIT_NOT_RELEASED
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = argv[3:]
    return supervise(folder, kind, target)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
