"""Files named by callers, kept under their hash in a folder that goes with the process."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import tempfile
import weakref
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

CHUNK = 1 << 18
MANIFEST = "META-INF/MANIFEST.MF"
MANIFEST_BYTES = 64 << 10
MOST_ENTRIES = 262_144
FIXED_TIME = (1980, 1, 1, 0, 0, 0)


class Refused(Exception):  # noqa: N818 - the core's word
    """A recipe that is not carried out; `reason` is one of the core's refusals."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class Staging:
    """Reads beneath `roots` and keeps copies."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._roots = [Path(root).resolve() for root in roots]
        self._folder = Path(tempfile.mkdtemp(prefix="beam-mcp-"))
        self._remove = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._names: dict[str, str] = {}

    def close(self) -> None:
        """Removes the copies."""
        self._remove()

    def path(self, source: str) -> Path:
        """The kept copy of a source."""
        path = self._folder / source.removeprefix("sha256:")
        if not path.is_file():
            raise Refused("not_found")
        return path

    def stage(self, recipe: dict[str, Any], parts: list[bytes]) -> dict[str, Any]:
        """Carries out a recipe; the answer is the core's `Source`."""
        origin: dict[str, Any] = recipe["base"]
        most: int = recipe["max_bytes"]
        name = ""
        if "path" in origin:
            file = self._find(origin["path"])
            name, source = file.name, self._keep_file(file, most)
        elif "artifact" in origin:
            source = origin["artifact"]
            name = self._names.get(source, "")
            if self.path(source).stat().st_size > most:
                raise Refused("too_large")
        else:
            part: int = origin["bytes"]["part"]
            source = self.keep([parts[part]], most)
        if recipe.get("add"):
            source = self._with_entries(source, recipe["add"], most)
        if recipe.get("place"):
            self._place(source, Path(recipe["place"]))
        return self.describe(source, name, recipe.get("entry_class"))

    def _place(self, source: str, folder: Path) -> None:
        """Puts the copy where a cluster reads it, under its hash.

        Others may write there too, so a file that is there is read again.
        """
        if not folder.is_dir():
            raise Refused("no_folder")
        sha256 = source.removeprefix("sha256:")
        place = folder / f"{sha256}.jar"
        try:
            if place.is_file() and _hash(place) == sha256:
                return
            copy = folder / f".{sha256}-{secrets.token_hex(8)}"
            try:
                shutil.copyfile(self.path(source), copy)
                copy.chmod(0o644)
                copy.replace(place)
            finally:
                copy.unlink(missing_ok=True)
        except PermissionError as error:
            raise Refused("no_folder") from error
        except OSError as error:
            raise Refused("unreadable", f"the jar cannot be placed: {error.strerror}") from error

    def keep(self, chunks: Iterable[bytes], most: int, name: str = "") -> str:
        """Keeps bytes and names them."""
        digest, size = hashlib.sha256(), 0
        incoming = self._folder / f"incoming-{secrets.token_hex(8)}"
        try:
            with incoming.open("xb") as file:
                for chunk in chunks:
                    size += len(chunk)
                    if size > most:
                        raise Refused("too_large", f"the file has more than {most} bytes")
                    digest.update(chunk)
                    file.write(chunk)
            incoming.replace(self._folder / digest.hexdigest())
        finally:
            incoming.unlink(missing_ok=True)
        source = f"sha256:{digest.hexdigest()}"
        if name:
            self._names.setdefault(source, name)
        return source

    def describe(self, source: str, name: str, entry_class: str | None = None) -> dict[str, Any]:
        """What the core is told about kept bytes."""
        path = self.path(source)
        return {
            "id": source,
            "sha256": source.removeprefix("sha256:"),
            "size": path.stat().st_size,
            "file_name": name,
            "archive": _archive(path, entry_class),
        }

    def _find(self, name: str) -> Path:
        if not name or "\0" in name:
            raise Refused("bad_name")
        given = Path(name)
        if ".." in given.parts:
            raise Refused("outside_roots", "a path with `..` is not beneath a root")
        last = Refused("outside_roots" if given.is_absolute() else "not_found")
        for root in self._roots:
            path = root / given
            if not path.is_relative_to(root):
                continue
            if path.exists():
                return _plain_file(path)
            last = Refused("not_found")
        raise last

    def _keep_file(self, path: Path, most: int) -> str:
        try:
            with path.open("rb") as file:
                return self.keep(iter_chunks(file), most)
        except OSError as error:
            raise Refused("unreadable", f"the file cannot be read: {error.strerror}") from error

    def _with_entries(self, base: str, add: list[list[str]], most: int) -> str:
        with tempfile.NamedTemporaryFile(dir=self._folder) as copy:
            with self.path(base).open("rb") as file:
                shutil.copyfileobj(file, copy)
            try:
                with zipfile.ZipFile(copy, "a", zipfile.ZIP_STORED) as archive:
                    for name, source in add:
                        info = zipfile.ZipInfo(name, FIXED_TIME)
                        with self.path(source).open("rb") as file, archive.open(info, "w") as entry:
                            shutil.copyfileobj(file, entry)
            except zipfile.BadZipFile as error:
                raise Refused("bad_archive") from error
            copy.seek(0)
            return self.keep(iter_chunks(copy), most)


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter_chunks(file):
            digest.update(chunk)
    return digest.hexdigest()


def iter_chunks(file: BinaryIO | Any) -> Iterable[bytes]:
    """The bytes of a file, piece by piece."""
    return iter(lambda: file.read(CHUNK), b"")


def _plain_file(path: Path) -> Path:
    if path.resolve() != path:
        raise Refused("symlink")
    if not path.is_file():
        raise Refused("not_a_file")
    return path


def _archive(path: Path, entry_class: str | None) -> dict[str, Any] | None:
    with path.open("rb") as file:
        if file.read(4) not in {b"PK\x03\x04", b"PK\x05\x06"}:
            return None
    try:
        with zipfile.ZipFile(path) as archive:
            return _declares(archive, entry_class)
    except zipfile.BadZipFile as error:
        raise Refused("bad_archive") from error


def _declares(archive: zipfile.ZipFile, entry_class: str | None) -> dict[str, Any]:
    names = set(archive.namelist())
    if len(names) > MOST_ENTRIES:
        raise Refused("bad_archive", f"the archive has more than {MOST_ENTRIES} entries")
    main_class = None
    if MANIFEST in names:
        with archive.open(MANIFEST) as entry:
            main_class = _main_class(entry.read(MANIFEST_BYTES).decode("utf-8", "replace"))
    wanted = entry_class or main_class
    return {
        "main_class": main_class,
        "entries": len(names),
        "main_class_present": wanted is not None and f"{wanted.replace('.', '/')}.class" in names,
    }


def _main_class(manifest: str) -> str | None:
    """`Main-Class` of the main section; a line that begins with a space goes on the one before (JAR specification)."""
    text = manifest.replace("\r\n", "\n").replace("\r", "\n").replace("\n ", "")
    for line in text.split("\n\n")[0].splitlines():
        name, _, value = line.partition(":")
        if name.lower() == "main-class" and 0 < len(value.strip()) <= 512:
            return value.strip()
    return None
