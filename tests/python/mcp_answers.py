"""What a client may answer to a question of the server, right, wrong and late; and what may come of its call then."""

from __future__ import annotations

from typing import Any

from mcp_dice import Dice

KEY = "confirm"
"""The question, where a result asks it."""
YES = {"action": "accept", "content": {KEY: True}}
NO = {"action": "accept", "content": {KEY: False}}
DECLINE, CANCEL = {"action": "decline"}, {"action": "cancel"}
SAID = {"yes": YES, "no": NO, "decline": DECLINE, "cancel": CANCEL}
"""What a person may do with a form."""

REFUSED = {"failed"}
DONE = {"complete", "task", "failed"}
"""A yes may come too late for its plan."""
ON_A_STREAM = {
    "yes": DONE,
    **dict.fromkeys(["no", "decline", "cancel"], REFUSED),
    "error": REFUSED,
    "stranger, then no": REFUSED,
    "no, then yes": REFUSED,
    "garbage": REFUSED,
    "garbage for ever": REFUSED,
    "late": {"nothing"},
}
"""Answers to a question on the stream of a call, and what the call may end with. After garbage the server asks again,
for so long."""
IN_A_REQUEST = {
    "yes": DONE,
    **dict.fromkeys(["no", "decline", "cancel"], REFUSED),
    "no, then yes": REFUSED,
    "yes, then yes": DONE,
    "garbage": {"input_required"},
    "no object": {"-32602"},
    "without its state": {"input_required"},
    "a broken state": {"-32602"},
    "the state of another call": {"-32602"},
}
"""Answers in a new request, and what the last one may be answered with."""


def on_a_stream(kind: str, dice: Dice, question: Any, call: Any) -> list[Any]:
    """The messages that answer a question; a late one comes when its call was given up."""
    given_up = {
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": {"requestId": call},
    }
    messages: dict[str, list[Any]] = {
        **{said: [answer(question, form)] for said, form in SAID.items()},
        "error": [{"jsonrpc": "2.0", "id": question, "error": {"code": -1, "message": "no"}}],
        "stranger, then no": [answer(f"{question}x", YES), answer(question, NO)],
        "no, then yes": [answer(question, NO), answer(question, YES)],
        "late": [given_up, answer(question, YES)],
    }
    return messages.get(kind, [answer(question, dice.junk())])


def answer(question: Any, form: Any) -> dict[str, Any]:
    """A response."""
    return {"jsonrpc": "2.0", "id": question, "result": form}


def in_a_request(kind: str, dice: Dice, params: Any, state: str) -> list[Any]:
    """Parameters of the requests that answer a result with a question, one after the other."""

    def again(form: Any, **more: Any) -> dict[str, Any]:
        return {**params, "inputResponses": {KEY: form}, "requestState": state, **more}

    at = dice.random.randrange(len(state))
    broken = state[:at] + ("B" if state[at] == "A" else "A") + state[at + 1 :]
    other = {**params["arguments"], "wait_seconds": 1}
    rounds: dict[str, list[Any]] = {
        **{said: [again(form)] for said, form in SAID.items()},
        "no, then yes": [again(NO), again(YES)],
        "yes, then yes": [again(YES), again(YES)],
        "garbage": [again(dice.junk())],
        "no object": [again(YES, inputResponses=dice.one("x", 7, [], True))],
        "without its state": [again(YES, requestState=None)],
        "a broken state": [again(YES, requestState=dice.one(broken, state[:at], "x", ".", 7, []))],
        "the state of another call": [again(YES, arguments=other)],
    }
    return rounds[kind]


def outcome(reply: Any) -> str:
    """How a call ended, in a word."""
    if reply is None:
        return "nothing"
    if "error" in reply:
        return str(reply["error"]["code"])
    result = reply["result"]
    return "failed" if result.get("isError") else str(result.get("resultType", "complete"))
