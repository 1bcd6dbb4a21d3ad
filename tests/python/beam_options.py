"""Every pipeline option of Apache Beam, as data: `core/src/runner/options/beam.txt`.

`python beam_options.py [JAR ...] > beam.txt` lists the options of the installed Python SDK, and those of the Java
interfaces in the jars (read with the JDK's `javap`). One line each: name, kind, the only runner that reads it or `-`,
and the only values it takes.
"""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GETTER = re.compile(
    r"^  public abstract (?P<type>[\w.<>?, ]+) (?:get|is)(?P<name>\w+)\(\)", re.MULTILINE
)
INTERFACE = re.compile(
    r"^public (?:abstract )?interface (?P<name>[\w.$]+)(?: extends (?P<bases>.+?))? \{",
    re.MULTILINE,
)
ROOT = "org.apache.beam.sdk.options.PipelineOptions"
JAVA_KINDS = {
    "java.lang.String": "text",
    "boolean": "flag",
    "java.lang.Boolean": "flag",
    "int": "int",
    "java.lang.Integer": "int",
    "long": "int",
    "java.lang.Long": "int",
    "double": "float",
    "java.lang.Double": "float",
    "java.util.List<java.lang.String>": "text",
}


@dataclass(frozen=True)
class Option:
    """One option."""

    name: str
    kind: str
    runner: str
    choices: tuple[str, ...] = ()

    def line(self) -> str:
        return " ".join(
            [self.name, self.kind, self.runner, *(["|".join(self.choices)] if self.choices else [])]
        )


def normal(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def python_options() -> list[Option]:
    """What the parsers of the installed SDK declare."""
    root = importlib.import_module("apache_beam.options.pipeline_options").PipelineOptions

    def classes(base: Any) -> Iterator[Any]:
        for each in base.__subclasses__():
            yield each
            yield from classes(each)

    found: list[Option] = []
    for each in classes(root):
        if each.__module__ != root.__module__ or "_add_argparse_args" not in vars(each):
            continue
        parser = argparse.ArgumentParser(add_help=False)
        each._add_argparse_args(parser)
        for action in parser._actions:
            names = dict.fromkeys(
                name[2:].replace("-", "_") for name in action.option_strings if name[:2] == "--"
            )
            found += [python_option(name, action, each.__name__) for name in names]
    return found


def python_option(name: str, action: argparse.Action, owner: str) -> Option:
    kind = {int: "int", float: "float"}.get(action.type, "text")  # type: ignore[call-overload]
    if action.nargs == 0:
        kind = "flag"
    return Option(name, kind, runner_of(owner), tuple(action.choices or ()))


def runner_of(owner: str) -> str:
    """The runner whose options these are, by the name of their class."""
    for runner in ("Flink", "Spark", "KafkaStreams", "Prism", "Direct"):
        if owner.startswith(f"{runner}RunnerOptions") or owner in (
            f"{runner}Options",
            f"{runner}PipelineOptions",
        ):
            return runner.lower()
    return "-"


def java_options(jars: list[str]) -> list[Option]:
    """The getters of every interface in the jars that is one of Beam's option interfaces."""
    bases: dict[str, set[str]] = {}
    getters: dict[str, list[tuple[str, str]]] = {}
    for jar in jars:
        command = ["javap", "-cp", ":".join(jars), *candidates(jar)]
        shown = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        for text in shown.split("Compiled from")[1:]:
            if not (head := INTERFACE.search(text)):
                continue
            bases[head["name"]] = set(re.findall(r"[\w.]+", head["bases"] or ""))
            getters[head["name"]] = [(m["name"], m["type"]) for m in GETTER.finditer(text)]
    ours = {name for name in bases if descends(name, bases)}
    return [
        Option(name[0].lower() + name[1:], JAVA_KINDS[kind], java_runner(interface))
        for interface in sorted(ours)
        for name, kind in getters[interface]
        if kind in JAVA_KINDS
    ]


def candidates(jar: str) -> list[str]:
    with zipfile.ZipFile(jar) as archive:
        names = [name.removesuffix(".class") for name in archive.namelist()]
    ours = [
        name for name in names if name.startswith("org/apache/beam/") and name.endswith("Options")
    ]
    return [name for name in ours if not re.search(r"\$|/repackaged/|/examples/", name)]


def descends(name: str, bases: dict[str, set[str]]) -> bool:
    return name == ROOT or any(descends(base, bases) for base in bases.get(name, ()))


def java_runner(interface: str) -> str:
    package = re.match(r"org\.apache\.beam\.runners\.(flink|spark|dataflow)\.", interface)
    return package[1] if package else "-"


def merged(options: list[Option]) -> list[Option]:
    """One of each name, however it is spelt; where the SDKs differ about a kind or a runner, nothing is said."""
    found: dict[str, Option] = {}
    for option in options:
        key = normal(option.name)
        known = found.setdefault(key, option)
        kind = known.kind if known.kind == option.kind else "text"
        runner = known.runner if known.runner == option.runner else "-"
        choices = known.choices if known is option else ()
        found[key] = Option(known.name, kind, runner, choices)
    return sorted(found.values(), key=lambda option: normal(option.name))


def main() -> None:
    version = importlib.import_module("apache_beam").__version__
    jars = sys.argv[1:]
    made_of = ", ".join([f"Apache Beam {version} (Python)", *(Path(jar).stem for jar in jars)])
    print(f"# {made_of}; made by tests/python/beam_options.py")
    for option in merged(python_options() + java_options(jars)):
        print(option.line())


if __name__ == "__main__":
    main()
