"""The synchronous connection. `aio.py` is made from it by `python/generate.py`: edit here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from .._typing import Self
from ..drive import drive, drive_telling
from .base import ConnectionBase, call, news
from .host import Notification, notification, one_call


class MCPConnection(ConnectionBase):
    """Calls any MCP server and waits for the answers. Safe to use from many threads.

    Lists and resources that the server says hold for a while are not asked for again until then, or until it tells of a
    change; `fresh` asks anyway.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the session, where the server has one, and closes the connections."""
        try:
            self._run("close", {}, 10.0)
        finally:
            self._host.close()

    def connect(self, *, timeout: float | None = None) -> dict[str, Any]:
        """What the server says about itself: `protocolVersion`, `capabilities`, `serverInfo`, `instructions`."""
        return self._run("connect", {}, timeout)

    def list_tools(
        self, *, fresh: bool = False, timeout: float | None = None
    ) -> list[dict[str, Any]]:
        """The tools that can be used, as the server describes them."""
        return list((self._run("list_tools", {"fresh": fresh}, timeout))["tools"])

    def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        progress: bool = False,
        repeatable: bool = False,
        wait: bool = True,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Calls a tool. A result with `isError` is one: read it.

        Args:
            name: Name of the tool.
            arguments: Its arguments.
            progress: Asks for notifications of its progress.
            repeatable: The call may be sent again although it may have arrived.
            wait: Follows a task to the end of its work; else the task is the answer.
            timeout: Limit on the whole call in seconds.
        """
        given = call(name, arguments, progress, repeatable, wait)
        return self._run("call_tool", given, timeout)

    def list_resources(
        self, *, fresh: bool = False, timeout: float | None = None
    ) -> list[dict[str, Any]]:
        """The resources the server lists."""
        return list((self._run("list_resources", {"fresh": fresh}, timeout))["resources"])

    def list_resource_templates(
        self, *, fresh: bool = False, timeout: float | None = None
    ) -> list[dict[str, Any]]:
        """The templates of resources the server lists."""
        return list(
            (self._run("list_resource_templates", {"fresh": fresh}, timeout))["resourceTemplates"]
        )

    def read_resource(
        self, uri: str, *, fresh: bool = False, timeout: float | None = None
    ) -> dict[str, Any]:
        """Reads a resource."""
        return self._run("read_resource", {"uri": uri, "fresh": fresh}, timeout)

    def list_prompts(
        self, *, fresh: bool = False, timeout: float | None = None
    ) -> list[dict[str, Any]]:
        """The prompts the server lists."""
        return list((self._run("list_prompts", {"fresh": fresh}, timeout))["prompts"])

    def get_prompt(
        self,
        name: str,
        arguments: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Fills in a prompt."""
        return self._run("get_prompt", {"name": name, "arguments": arguments}, timeout)

    def complete(
        self,
        ref: Mapping[str, str],
        name: str,
        value: str,
        *,
        arguments: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Completes the value of an argument of a prompt or resource template."""
        given = {
            "ref": ref,
            "argument": {"name": name, "value": value},
            "context": None if arguments is None else {"arguments": arguments},
        }
        return self._run("complete", given, timeout)

    def get_task(self, task_id: str, *, timeout: float | None = None) -> dict[str, Any]:
        """How far a task is."""
        return self._run("get_task", {"taskId": task_id}, timeout)

    def update_task(
        self, task_id: str, answers: Mapping[str, Any], *, timeout: float | None = None
    ) -> dict[str, Any]:
        """Answers what a task asks, under the keys of its questions."""
        given = {"taskId": task_id, "inputResponses": answers}
        return self._run("update_task", given, timeout)

    def cancel_task(self, task_id: str, *, timeout: float | None = None) -> dict[str, Any]:
        """Asks a task to end."""
        return self._run("cancel_task", {"taskId": task_id}, timeout)

    def request(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        *,
        repeatable: bool = False,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Any method, for what has no name of its own here."""
        given = {"method": method, "params": params, "repeatable": repeatable}
        return self._run("request", given, timeout)

    def listen(
        self,
        *,
        tools: bool = False,
        prompts: bool = False,
        resources: bool = False,
        resource_uris: tuple[str, ...] = (),
        task_ids: tuple[str, ...] = (),
        timeout: float | None = None,
    ) -> Iterator[Notification]:
        """The server's news as they come, until it ends the subscription or the loop is left.

        `notifications/subscriptions/acknowledged` is the begin, and each new one after a break: what changed in between
        was not told.
        """
        wanted = news(tools, prompts, resources, resource_uris, task_ids)
        with one_call(self._host) as performing:
            flow = self._start("listen", wanted, timeout)
            with closing(drive_telling(flow, performing.perform)) as told:
                for effect in told:
                    yield notification(effect)

    def _run(self, verb: str, given: dict[str, Any], timeout: float | None) -> dict[str, Any]:
        with one_call(self._host) as performing:
            ended = drive(self._start(verb, given, timeout), performing.perform)
            return dict(ended[0])
