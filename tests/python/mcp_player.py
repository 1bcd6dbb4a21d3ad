"""Throws dice at a server, answers what it asks, and holds all it says against the schema of the revision."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from mcp_answers import IN_A_REQUEST, ON_A_STREAM, in_a_request, on_a_stream, outcome
from mcp_dice import CAPABILITIES, META, METHODS, PLAIN, VERSION, Dice, Offer, heads_of
from mcp_door import Door
from mcp_spec import MODERN, RESULTS, spec_of
from mcp_wire import request
from real_server import until

LEAST, MOST = 300, 5000
"""Throws at least, and at most, until all that is wanted was met."""
OLD = ("initialize", "ping", "resources/subscribe", "resources/unsubscribe")
"""Methods that the newest revision dropped; it brought `server/discover` and the tasks."""
SCRIPTS = ("running", "batch", "failing", "slow_savepoint")
"""What the jobs of the dice do."""
ASKS = ("2025-06-18", "2025-11-25")
"""Revisions with a handshake in which a server can ask for a form."""


class Tally:
    """What was met of what is wanted."""

    def __init__(self, wanted: set[str]) -> None:
        self.wanted = wanted
        self.met: set[str] = set()

    def throws(self) -> Iterator[int]:
        """Throws of the dice: so many, and more while chance left something out."""
        for number in range(MOST):
            if number >= LEAST and self.wanted <= self.met:
                return
            yield number

    def check(self) -> None:
        """All that is wanted was met."""
        assert self.wanted <= self.met, ("never met", sorted(self.wanted - self.met))


def wanted(version: str, offer: Offer, *, over_http: bool) -> set[str]:
    """What has to be met in a revision."""
    codes = [-32700, -32600, -32601, -32602]
    codes += [-32021, -32022, *[-32020] * over_http] if version == MODERN else [-32002]
    answers = IN_A_REQUEST if version == MODERN else ON_A_STREAM if version in ASKS else {}
    # No tool makes a context, so that the server of a pipe, which is new, has none.
    there = [place for place in offer.templates if over_http or "{context_id}" not in place]
    places = [*there, *offer.resources]
    return {
        *(f"error {code}" for code in codes),
        *(f"result of {method}" for method in METHODS if exists(method, version)),
        *(f"read {place}" for place in places),
        *(f"values for {kind}" for kind in ("ref/prompt", "ref/resource")),
        "a plan instead of a question",
        "told notifications/progress",
        *(f"answer {kind}" for kind in answers),
        *(["yes: complete"] if answers else []),
        *(["yes: task", "task working", "task completed"] if version == MODERN else []),
    }


def exists(method: str, version: str) -> bool:
    """True for a method that the server has in a revision."""
    if version == MODERN:
        return method not in OLD
    new = method == "server/discover" or method.startswith("tasks/")
    return not new and spec_of(version).has(RESULTS[method])


class Player:
    """A client of one revision."""

    def __init__(self, door: Door, dice: Dice, tally: Tally) -> None:
        self.door, self.dice, self.tally = door, dice, tally
        self.doctor: Callable[[Any], Any] = lambda told: told
        """What becomes of the server's messages before they are held against anything."""
        self.is_modern, self.spec = door.version == MODERN, spec_of(door.version)
        self.given: list[str] = []
        """The answers that the call at work was given."""
        self.later: list[Any] = []
        """What is to be told once the call ended."""
        self.spared = True
        """Nobody said yes to the end of the job yet."""
        dice.jobs += [self.make(script) for script in SCRIPTS]
        self.spare = self.make("running")

    def play(self) -> None:
        """Throws until all that is wanted was met."""
        throws = {"confirmed": self.confirm, "unparsable": self.garble, "handshake": self.greet}
        for number in self.tally.throws():
            self.dice.begin(number)
            if number == 0:
                self.greet()
                self.wait()
            throws.get(self.dice.throw(), self.request)()
        self.tally.check()

    def greet(self, capabilities: Any = None) -> None:
        """Shakes hands, in a revision that does."""
        if not self.is_modern:
            able = self.dice.capabilities() if capabilities is None else capabilities
            answer = self.door.greet(able, self.hear)
            assert answer["result"]["protocolVersion"] == self.door.version, answer
            self.note("initialize", None, answer)

    def request(self) -> None:
        """Any request, mostly a right one."""
        method, body = self.dice.message()
        if not self.door.takes(method, body):
            return
        heads: dict[str, str] = {}
        if self.is_modern:
            heads = self.dress(body)
        self.ask(method, body, heads)

    def dress(self, body: Any) -> dict[str, str]:
        """Adds what a request of today says of itself; its headers."""
        named = False
        if isinstance(body["params"], dict):
            body["params"]["_meta"] = self.door.meta(self.dice.meta())
            named = VERSION in body["params"]["_meta"]
        # What names no revision in either place is of an older one.
        return self.dice.heads(body) | ({} if named else {"mcp_protocol_version": MODERN})

    def garble(self) -> None:
        """What is no JSON."""
        heads = heads_of(request("x", {"_meta": META})) if self.is_modern else {}
        answer = self.door.ask(self.dice.unparsable(), heads, self.hear)
        assert answer["error"]["code"] == -32700, answer
        self.note("", None, answer)

    def confirm(self) -> None:
        """A call that ends a job, with whatever its client can do."""
        tool, arguments = self.dice.ending(self.live())
        able = self.dice.capabilities(asks=not self.dice.rarely(4))
        params = {"name": tool, "arguments": arguments}
        if not self.is_modern:
            self.greet(able)
        reply = self.call(params, able)
        asked = bool(self.given) or outcome(reply) == "input_required"
        asks = (self.is_modern or self.door.version in ASKS) and takes_forms(able)
        assert asked == asks or outcome(reply) == "failed", (params, able, reply)
        if outcome(reply) == "input_required":
            self.answer(params, reply["result"]["requestState"])
        elif not asked and "plan" in content(reply):
            self.tally.met.add("a plan instead of a question")

    def wait(self) -> None:
        """A call that tells how it goes."""
        more = {"parallelism": 3, "wait_seconds": 20}
        self.call({"name": "scale_job", "arguments": {"job_id": self.live(), **more}}, {})

    def call(self, params: Any, able: Any) -> Any:
        """Calls a tool as a client that can do this."""
        meta = {**META, CAPABILITIES: able} if self.is_modern else {}
        told = {"_meta": {**meta, "progressToken": self.dice.one("p", 7)}}
        body = request("tools/call", {**params, **told}, self.dice.number())
        return self.ask("tools/call", body, heads_of(body) if self.is_modern else {})

    def answer(self, params: Any, state: str) -> None:
        """Answers a question that a result asked."""
        kind = self.dice.one(*IN_A_REQUEST)
        self.spared = self.spared and not kind.startswith("yes")
        reply: Any = None
        for again in in_a_request(kind, self.dice, params, state):
            reply = self.call(again, self.dice.capabilities(asks=True))
        self.tally.met.add(f"answer {kind}")
        self.settle(kind, reply, IN_A_REQUEST[kind])
        if outcome(reply) == "task":
            self.follow(reply["result"]["taskId"])

    def follow(self, task: str) -> None:
        """Looks where a task is."""
        body = request("tasks/get", {"taskId": task, "_meta": META}, self.dice.number())
        self.ask("tasks/get", body, heads_of(body))

    def settle(self, kind: str, reply: Any, ends: set[str]) -> None:
        """What an answer led to is what it may lead to."""
        end = outcome(reply)
        assert end in ends, (kind, ends, reply)
        self.tally.met.add(f"{kind}: {end}")

    def ask(self, method: str, body: Any, heads: dict[str, str]) -> Any:
        """Sends a request, and holds the answer against the revision."""
        self.given, self.later = [], []
        reply = self.door.ask(body, heads, lambda message: self.hear(message, body["id"]))
        for answer in self.later:
            self.door.tell(answer)
        if self.given:
            self.settle(self.given[-1], reply, ON_A_STREAM[self.given[-1]])
        if reply is not None:
            self.note(method, body, reply)
        return reply

    def hear(self, message: Any, call: Any = None) -> bool:
        """Something that came before an answer: what it asks is answered. True: the call was given up."""
        message = self.doctor(message)
        if "method" not in message:
            return False
        self.spec.check_beside(message)
        self.tally.met.add(f"told {message['method']}")
        if "id" not in message:
            return False
        endless = self.given[-1:] == ["garbage for ever"]
        kind = "garbage for ever" if endless else str(self.dice.one(*ON_A_STREAM))
        self.given.append(kind)
        self.tally.met.add(f"answer {kind}")
        answers = on_a_stream(kind, self.dice, message["id"], call)
        self.spared = self.spared and kind != "yes"
        if kind == "no, then yes" and not self.door.keeps_order:
            # Of two lines that are taken up side by side, the second may be heard first.
            answers, self.later = answers[:1], answers[1:]
        for answer in answers:
            self.door.tell(answer)
        return kind == "late"

    def note(self, method: str, body: Any, answer: Any) -> None:
        """An answer fits the schema, and bears the id of its request; what it shows was met."""
        answer = self.doctor(answer)
        # A handshake settles on a version of its own.
        greeted = method == "initialize" and "result" in answer
        spec = spec_of(answer["result"]["protocolVersion"]) if greeted else self.spec
        spec.check_answer(method, answer)
        assert body is None or "id" not in answer or answer["id"] == body["id"], (body, answer)
        if "error" in answer:
            self.tally.met.add(f"error {answer['error']['code']}")
        else:
            self.tally.met |= {f"result of {method}", *self.shown(method, body, answer["result"])}

    def shown(self, method: str, body: Any, result: Any) -> Iterator[str]:
        """What the result of a method shows besides being there."""
        if method == "resources/read":
            uri = body["params"]["uri"]
            places = [*self.dice.offer.templates, *self.dice.offer.resources]
            yield from (f"read {place}" for place in places if names(place, uri))
        elif method == "completion/complete" and result["completion"]["values"]:
            yield f"values for {body['params']['ref']['type']}"
        elif method == "tasks/get":
            yield f"task {result['status']}"
        elif method == "tools/call" and result.get("resultType") == "task":
            self.dice.tasks.append(result["taskId"])

    def live(self) -> str:
        """A job that runs: the last one until somebody said yes to its end, then one that began in the meantime."""
        if not self.spared:
            self.dice.jobs[0], self.spare, self.spared = self.spare, self.make("running"), True
        until(self.runs, "the job runs")
        return self.dice.jobs[0]

    def runs(self) -> bool:
        """True once the job runs; it does not end before somebody said yes."""
        job = self.data("get_job", job_id=self.dice.jobs[0], max_age_ms=0)
        assert not job["terminal"], job
        return bool(job["state"] == "RUNNING")

    def make(self, script: str) -> str:
        """A new job."""
        options = {"simulator_script": script}
        return str(self.data("create_job", target="sim", options=options)["job_id"])

    def data(self, tool: str, **arguments: Any) -> Any:
        """What a tool answers to a client that cannot be asked."""
        body = request("tools/call", {"name": tool, "arguments": arguments, "_meta": PLAIN})
        return content(self.door.ask(body, heads_of(body), self.hear))


def takes_forms(able: Any) -> bool:
    """True for a client that shows its person forms."""
    modes = able.get("elicitation")
    return isinstance(modes, dict) and (not modes or "form" in modes)


def content(reply: Any) -> Any:
    """The data of a tool that did not fail."""
    result = reply["result"]
    return {} if result["isError"] else json.loads(result["content"][0]["text"])


def names(template: str, uri: str) -> bool:
    """True for a URI that a template, or a resource itself, stands for."""
    parts = re.split(r"\{\w+\}", template)
    return re.fullmatch("[^/]+".join(map(re.escape, parts)), uri) is not None
