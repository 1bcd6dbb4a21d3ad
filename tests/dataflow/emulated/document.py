"""Google's discovery documents of Dataflow and Cloud Logging, as the installed google-api-python-client ships them.

Routes, query parameters, enumerations and the schemas of bodies are read from them, so that what the emulator takes and
gives is what Google says, and not what our own client happens to send.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

# Parameters of every Google API; clients made by gapic send `$alt`.
SYSTEM = ("$alt", "alt", "key", "fields", "prettyPrint", "quotaUser", "access_token", "$.xgafv")
NUMBERS = {"int32": "integer", "double": "number", "float": "number"}


class Invalid(Exception):
    """A request that does not fit the document: 400 INVALID_ARGUMENT."""


@dataclass(frozen=True)
class Method:
    """One method of the document."""

    id: str
    http: str
    path: re.Pattern[str]
    query: dict[str, Any]
    request: str | None
    response: str | None


@dataclass(frozen=True)
class Call:
    """A request that fits the document."""

    method: Method
    path: dict[str, str]
    query: dict[str, Any]
    body: dict[str, Any]


class Document:
    """The document, compiled."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.revision: str = document["revision"]
        self.schemas: dict[str, Any] = document["schemas"]
        self.methods = [_method(method) for method in _methods(document)]

    def call(self, http: str, path: str, query: dict[str, list[str]], body: bytes) -> Call | None:
        """The call a request makes; `None` where the document has no such route.

        Raises Invalid where the route is there and the request does not fit it.
        """
        for method in self.methods:
            found = method.path.fullmatch(path) if method.http == http else None
            if found:
                names = {name.rstrip("_"): value for name, value in found.groupdict().items()}
                return Call(method, names, self._query(method, query), self._body(method, body))
        return None

    def check(self, schema: str, value: Any) -> None:
        """Raises Invalid where a value does not fit a schema: types, enumerations, unknown fields."""
        self._fits({"$ref": schema}, value, schema)

    def _query(self, method: Method, query: dict[str, list[str]]) -> dict[str, Any]:
        read: dict[str, Any] = {}
        for name, values in query.items():
            if name in SYSTEM:
                continue
            known = method.query.get(name)
            if known is None:
                raise Invalid(f'Unknown name "{name}": Cannot bind query parameter.')
            if "enum" in known and values[-1] not in known["enum"] and not values[-1].isdigit():
                raise Invalid(f"Invalid value at '{name}': {values[-1]}")
            if known["type"] == "integer" and not values[-1].lstrip("-").isdigit():
                raise Invalid(f"Invalid value at '{name}' (TYPE_INT32): {values[-1]}")
            read[name] = values[-1]
        return read

    def _body(self, method: Method, body: bytes) -> dict[str, Any]:
        if method.request is None:
            if body:
                raise Invalid("This method takes no body.")
            return {}
        try:
            value = json.loads(body or b"{}")
        except ValueError:
            raise Invalid("Invalid JSON payload received.") from None
        if not isinstance(value, dict):
            raise Invalid("Invalid JSON payload received. Root element must be a message.")
        self._fits({"$ref": method.request}, value, "")
        return value

    def _fits(self, schema: dict[str, Any], value: Any, at: str) -> None:
        if "$ref" in schema:
            self._message(self.schemas[schema["$ref"]], value, at)
        elif schema.get("type") == "array":
            if not isinstance(value, list):
                raise Invalid(f"Invalid value at '{at}': not a list")
            for index, item in enumerate(value):
                self._fits(schema["items"], item, f"{at}[{index}]")
        elif schema.get("type") == "object":
            self._message(schema, value, at)
        else:
            _plain(schema, value, at)

    def _message(self, schema: dict[str, Any], value: Any, at: str) -> None:
        if not isinstance(value, dict):
            raise Invalid(f"Invalid value at '{at}': not a message")
        fields = schema.get("properties", {})
        for name, item in value.items():
            inner = fields.get(name, schema.get("additionalProperties"))
            if inner is None:
                where = f" at '{at}'" if at else ""
                raise Invalid(
                    f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'
                )
            self._fits(inner, item, f"{at}.{name}".lstrip("."))


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _plain(schema: dict[str, Any], value: Any, at: str) -> None:
    kind = schema.get("type")
    kind = NUMBERS.get(schema.get("format", ""), kind)
    if "enum" in schema:
        # Clients may send an enumeration's number.
        fits = _whole(value) or value in schema["enum"]
    elif schema.get("format") in ("int64", "uint64"):
        fits = _whole(value) or (isinstance(value, str) and value.lstrip("-").isdigit())
    elif kind == "string":
        fits = isinstance(value, str)
    elif kind == "boolean":
        fits = isinstance(value, bool)
    elif kind == "integer":
        fits = _whole(value)
    elif kind == "number":
        fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    else:
        fits = kind == "any"
    if not fits:
        raise Invalid(f"Invalid value at '{at}' ({kind}), {json.dumps(value)}")


def _methods(resource: dict[str, Any]) -> list[dict[str, Any]]:
    own = list(resource.get("methods", {}).values())
    for inner in resource.get("resources", {}).values():
        own += _methods(inner)
    return own


def _method(method: dict[str, Any]) -> Method:
    path = re.escape(method.get("flatPath", method["path"]))
    path = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/:]+)", path)
    query = {
        name: known
        for name, known in method.get("parameters", {}).items()
        if known["location"] == "query"
    }
    refs = [method.get(side, {}).get("$ref") for side in ("request", "response")]
    return Method(method["id"], method["httpMethod"], re.compile(f"/{path}"), query, *refs)


def of_path(path: str) -> Document:
    """The document of the service a path belongs to."""
    return document("logging.v2") if path.startswith("/v2/") else document()


@cache
def document(name: str = "dataflow.v1b3") -> Document:
    """A document of the installed google-api-python-client."""
    place = files("googleapiclient.discovery_cache") / "documents" / f"{name}.json"
    return Document(json.loads(place.read_text(encoding="utf-8")))
