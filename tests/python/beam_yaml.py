"""The configuration keys of Beam YAML's transforms, as data: `lambda/src/stage/beam_yaml.txt`.

`python beam_yaml.py > beam_yaml.txt` asks the providers of the installed SDK, with its `yaml` extra, what each of them
takes: Python functions by their signature, renaming providers by their mapping and what is beneath them. What they pass
on to a Java transform is not known without its jar, so such a transform is open: only a slip of a known key is wrong.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

EVERY = ("dependencies", "output_schema")
"""What `yaml_transform.py` itself takes from any configuration, before the transform sees it."""

JAVA = {
    "beam:schematransform:org.apache.beam:csv_write:v1": "path!",
    "beam:schematransform:org.apache.beam:json_write:v1": "path!",
    "beam:schematransform:org.apache.beam:yaml:explode:v1": "fields! cross_product",
    "beam:schematransform:org.apache.beam:yaml:filter-java:v1": "keep! error_handling language",
    "beam:schematransform:org.apache.beam:yaml:flatten:v1": "",
    "beam:schematransform:org.apache.beam:yaml:log_for_testing:v1": "level prefix",
    "beam:schematransform:org.apache.beam:yaml:map_to_fields-java:v1": (
        "fields! append drop error_handling language"
    ),
}
"""What Java has besides Python takes: the classes `…Provider.Configuration` of these identifiers, as read."""

FORWARDED = {"_SqlMapToFieldsTransform": "normalize_fields"}
"""Functions of `yaml_mapping` that hand all they are given to another one."""


@dataclass(frozen=True)
class Taken:
    """What a provider takes for a type: names, those of which one must be there, whether it passes others on."""

    names: frozenset[str]
    needed: frozenset[frozenset[str]] = frozenset()
    is_open: bool = False

    def line(self, kind: str) -> str:
        needed = sorted("|".join(sorted(group)) + "!" for group in self.needed)
        free = sorted(self.names.difference(*self.needed))
        return " ".join([kind, *needed, *free, *(["..."] if self.is_open else [])])


NOTHING_KNOWN = Taken(frozenset(), is_open=True)


def taken(provider: Any, kind: str) -> Taken:
    """What a provider takes for a type."""
    name = type(provider).__name__
    if name == "RenamingProvider":
        beneath = taken(provider._underlying_provider, provider._transforms[kind])
        return renamed(beneath, provider._mappings[kind], provider._defaults.get(kind, {}))
    if name in ("SqlBackedProvider", "TranslatingProvider"):
        return by_signature(provider._transforms[kind], leading=1)
    if hasattr(provider, "_transform_factories"):
        return by_signature(provider._transform_factories[kind], leading=0)
    return of_java(provider._urns[kind])


def of_java(urn: str) -> Taken:
    if urn not in JAVA:
        return NOTHING_KNOWN
    words = JAVA[urn].split()
    needed = frozenset(frozenset({word[:-1]}) for word in words if word.endswith("!"))
    return Taken(frozenset(word.rstrip("!") for word in words), needed)


def by_signature(factory: Any, leading: int) -> Taken:
    """What can be passed by name, after those that the provider passes itself."""
    if factory.__name__ in FORWARDED:
        mapping = importlib.import_module("apache_beam.yaml.yaml_mapping")
        factory, leading = getattr(mapping, FORWARDED[factory.__name__]), 1
    callee = factory.__init__ if inspect.isclass(factory) else factory
    found = list(inspect.signature(callee).parameters.values())
    found = found[leading + inspect.isclass(factory) :]
    named = [each for each in found if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)]
    return Taken(
        frozenset(each.name for each in named),
        frozenset(frozenset({each.name}) for each in named if each.default is each.empty),
        any(each.kind is each.VAR_KEYWORD for each in found),
    )


def renamed(beneath: Taken, mapping: Mapping[str, str], defaults: Iterable[str]) -> Taken:
    """A key that has no other name is passed on as it is, so the names beneath are taken too."""
    groups = [group.union(*spellings(group, mapping)) for group in beneath.needed]
    needed = frozenset(group for group in groups if not group.intersection(defaults))
    return Taken(beneath.names.union(mapping, mapping.values()), needed, beneath.is_open)


def spellings(group: frozenset[str], mapping: Mapping[str, str]) -> list[set[str]]:
    return [{name for name, beneath in mapping.items() if beneath == each} for each in group]


def merged(found: list[Taken]) -> Taken:
    """Beam may choose any of a type's providers: what one takes is right, what all need is needed."""
    first, *others = found
    needed = first.needed
    for other in others:
        both = [(one, two) for one in needed for two in other.needed if one & two]
        needed = frozenset(one | two for one, two in both)
    names = frozenset[str]().union(*(each.names for each in found))
    return Taken(names, needed, any(each.is_open for each in found))


def transforms() -> dict[str, Taken]:
    """What each type takes, in whatever language it is written."""
    providers = importlib.import_module("apache_beam.yaml.yaml_provider").standard_providers()
    found: dict[str, list[Taken]] = {}
    for full, able in providers.items():
        # `Combine-sql` is `Combine` with the language sql.
        found.setdefault(full.split("-")[0], []).extend(taken(each, full) for each in able)
    return {kind: merged(found[kind]) for kind in sorted(found)}


def main() -> None:
    version = importlib.import_module("apache_beam").__version__
    known = transforms()
    unknown = [kind for kind, each in known.items() if each.is_open and not each.names]
    print(f"# Apache Beam {version}; made by tests/python/beam_yaml.py")
    print("# type, its keys; `a|b!`: one of these is needed; `...`: Beam passes others on;")
    print(f"# `*`: keys of every type; left out, as their keys are not known: {' '.join(unknown)}")
    print(" ".join(["*", *EVERY]))
    for kind, each in known.items():
        if kind not in unknown:
            print(each.line(kind))


if __name__ == "__main__":
    main()
