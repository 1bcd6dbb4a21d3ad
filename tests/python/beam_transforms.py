"""The transform types Beam YAML has of its own, one a line: `lambda/src/stage/transforms.txt` is made by this."""

from __future__ import annotations

import importlib


def main() -> None:
    version = importlib.import_module("apache_beam").__version__
    providers = importlib.import_module("apache_beam.yaml.yaml_provider").standard_providers()
    print(f"# Apache Beam {version}; made by tests/python/beam_transforms.py")
    # `Combine-sql` is `Combine` with the language sql; `chain` and `composite` are the language's own.
    for name in sorted({name.split("-")[0] for name in providers} | {"chain", "composite"}):
        print(name)


if __name__ == "__main__":
    main()
