"""Files that a pipeline brings for its workers: fetched from its runner, and installed for those workers alone.

They are what Beam's SDK stages: packages (`extra_packages`), `requirements.txt` with what was
downloaded for it, a source package (`setup_file`), the pickled main session and plain files. Packages
go into a folder of their own, in front of the pool's own on `sys.path`, so that jobs which bring
different versions do not meet. Only what the pool's Python lacks is installed.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .worker_pip import Pip
from .worker_places import Place, WorkerPlaces

STAGED = "staged"
REQUIREMENTS = "requirements.txt"
EXTRA_PACKAGES = "extra_packages.txt"
SOURCE_PACKAGE = "workflow.tar.gz"
ROLE_STAGING_TO = "beam:artifact:role:staging_to:v1"
ROLE_REQUIREMENTS = "beam:artifact:role:pip_requirements_file:v1"
MOST_BYTES = 1 << 30
"""Most bytes that one pipeline brings."""
OF_ROLE = re.compile(rf"[0-9a-f]{{64}}-{re.escape(REQUIREMENTS)}")
"""What `staged_name` calls a requirements file that has a role of its own."""
FETCH_S = 300.0


@dataclass(frozen=True)
class File:
    """What is staged: the name it gets, and how it is asked for."""

    name: str
    artifact: Any


def entered(
    places: WorkerPlaces, pip: Pip, stub: Any, api: Any, dependencies: Any, worker: str
) -> Place:
    """The place of what a pipeline brings, for a worker that leaves it when it has ended."""
    about = (("worker_id", worker),)
    asked = api.ResolveArtifactsRequest(artifacts=dependencies)
    resolved = stub.ResolveArtifacts(asked, timeout=FETCH_S, metadata=about).replacements
    fetched = Path(tempfile.mkdtemp(prefix="fetched-", dir=places.root))

    def set_up(folder: Path) -> None:
        install(fetched, pip)
        fetched.rename(folder)

    try:
        digest = fetch(stub, api, fetched, staged(resolved), about)
        return places.enter(digest, set_up)
    finally:
        shutil.rmtree(fetched, ignore_errors=True)


def fetch(stub: Any, api: Any, folder: Path, files: list[File], about: Any) -> str:
    """Writes the files; the hash of their names and content."""
    (folder / STAGED).mkdir()
    left, whole = MOST_BYTES, hashlib.sha256()
    for file in files:
        content = hashlib.sha256()
        request = api.GetArtifactRequest(artifact=file.artifact)
        with (folder / STAGED / file.name).open("xb") as target:
            for piece in stub.GetArtifact(request, timeout=FETCH_S, metadata=about):
                left -= len(piece.data)
                if left < 0:
                    raise ValueError(f"the pipeline brings more than {MOST_BYTES} bytes")
                content.update(piece.data)
                target.write(piece.data)
        whole.update(f"{file.name}\0{content.hexdigest()}\n".encode())
    return whole.hexdigest()


def environment(place: Place) -> dict[str, str]:
    """What a worker is told so that it finds its files."""
    packages = str(place.folder / "packages")
    return {"SEMI_PERSISTENT_DIRECTORY": str(place.folder), "PYTHONPATH": packages}


def staged(artifacts: Any) -> list[File]:
    """Files by the names they are staged under. A name with a folder in it is none."""
    files: dict[str, File] = {}
    for artifact in artifacts:
        name = staged_name(artifact)
        if os.path.basename(name) != name or name in ("", ".", ".."):
            raise ValueError(f"the pipeline brings a file named {name!r}")
        files.setdefault(name, File(name, artifact))
    return [files[name] for name in sorted(files)]


def staged_name(artifact: Any) -> str:
    """Where Beam's own workers would put it."""
    if artifact.role_urn == ROLE_REQUIREMENTS:
        return f"{hashlib.sha256(artifact.SerializeToString()).hexdigest()}-{REQUIREMENTS}"
    if artifact.role_urn != ROLE_STAGING_TO:
        raise ValueError(f"the pipeline brings a file in the role {artifact.role_urn}")
    # Beam is no dependency of this package, but of whoever asks for this.
    api: Any = importlib.import_module("apache_beam.portability.api")
    payload = api.beam_runner_api_pb2.ArtifactStagingToRolePayload.FromString(artifact.role_payload)
    return str(payload.staged_name)


def install(folder: Path, pip: Pip) -> None:
    """Installs into `packages` what lies in `staged`: first the packages themselves, then what they lack."""
    target = folder / "packages"
    target.mkdir()
    names = {file.name for file in (folder / STAGED).iterdir()}
    own = [str(folder / STAGED / name) for name in packages(folder, names)]
    requirements = [
        name for name in sorted(names) if name == REQUIREMENTS or OF_ROLE.fullmatch(name)
    ]
    wanted = [word for name in requirements for word in ("-r", str(folder / STAGED / name))]
    if own:
        run_pip(pip, folder, "--target", str(target), "--no-deps", "--upgrade", *own)
    if own or wanted:
        missing = list(lacking(pip, folder, *own, *wanted))
        if missing:
            run_pip(pip, folder, "--target", str(target), "--no-deps", *missing)


def packages(folder: Path, names: set[str]) -> Iterator[str]:
    """Names of the packages that are to be installed, as opposed to those that lie there for pip to find."""
    if EXTRA_PACKAGES in names:
        listed = (folder / STAGED / EXTRA_PACKAGES).read_text(encoding="utf-8").split("\n")
        yield from (name.strip() for name in listed if name.strip() in names)
    if SOURCE_PACKAGE in names:
        yield SOURCE_PACKAGE


def lacking(pip: Pip, folder: Path, *wanted: str) -> Iterator[str]:
    """What pip would install beyond what is there, each at its version or place."""
    report = json.loads(run_pip(pip, folder, "--dry-run", "--report", "-", *wanted))
    for item in report["install"]:
        name, version = item["metadata"]["name"], item["metadata"]["version"]
        direct = item.get("is_direct", False)
        yield f"{name} @ {item['download_info']['url']}" if direct else f"{name}=={version}"


def run_pip(pip: Pip, folder: Path, *words: str) -> str:
    """The output of `pip install` for what lies in the folder; what was downloaded beforehand is found there."""
    return pip.install(str(folder / STAGED), str(folder / "packages"), *words)
