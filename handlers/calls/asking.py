"""What a client can be asked in the middle of a call, and the way to one that has a task instead of an open request."""

from typing import Any, Final

import msgspec

from handlers.calls.inquiries import Inquiries
from portero.domain.call_parts import Approval
from portero.domain.ids import CallId, ClientId
from portero.errors import METHOD_NOT_FOUND, RpcError

ELICIT_FORM, ELICIT_URL, ROOTS, SAMPLE, SAMPLE_TOOLS = "f", "u", "r", "s", "t"
LETTERS: Final = {
    ELICIT_FORM: "elicitation/create with a form",
    ELICIT_URL: "elicitation/create with a URL",
    ROOTS: "roots/list",
    SAMPLE: "sampling/createMessage",
    SAMPLE_TOOLS: "sampling/createMessage with tools",
}
"""What each stands for, in words."""
_NEEDED: Final = {"sampling/createMessage": SAMPLE, "roots/list": ROOTS}


class _Capabilities(msgspec.Struct):
    elicitation: dict[str, Any] | None = None
    sampling: dict[str, Any] | None = None
    roots: dict[str, Any] | None = None


class _Elicitation(msgspec.Struct):
    mode: str = "form"


class _Sampling(msgspec.Struct):
    tools: Any = None
    toolChoice: Any = None  # noqa: N815 - the protocol's name


_elicitation = msgspec.json.Decoder(_Elicitation)
_sampling = msgspec.json.Decoder(_Sampling)
_capabilities = msgspec.json.Decoder(_Capabilities)


def letters_of(capabilities: bytes | None) -> str:
    """What a client that declares these can be asked, a letter each; nothing where they cannot be read."""
    try:
        declared = _capabilities.decode(capabilities or b"{}")
    except (ValueError, RecursionError):
        return ""
    letters = ""
    if declared.elicitation is not None:
        modes = declared.elicitation
        letters += ELICIT_FORM if "form" in modes or not modes else ""
        letters += ELICIT_URL if "url" in modes else ""
    if declared.sampling is not None:
        letters += SAMPLE + (SAMPLE_TOOLS if "tools" in declared.sampling else "")
    if declared.roots is not None:
        letters += ROOTS
    return letters


def capabilities_of(letters: str) -> bytes | None:
    """The same in the protocol's words; None when there is nothing."""
    if not letters:
        return None
    declared: dict[str, Any] = {}
    named = ((ELICIT_FORM, "form"), (ELICIT_URL, "url"))
    modes: dict[str, Any] = {mode: {} for letter, mode in named if letter in letters}
    if modes:
        declared["elicitation"] = modes
    if SAMPLE in letters or SAMPLE_TOOLS in letters:
        declared["sampling"] = {"tools": {}} if SAMPLE_TOOLS in letters else {}
    if ROOTS in letters:
        declared["roots"] = {}
    return msgspec.json.encode(declared)


def needed_for(method: str, params: bytes) -> str | None:
    """The letter of what a client must have declared to be asked this; None where the protocol has no such question."""
    if method == "elicitation/create":
        try:
            mode = _elicitation.decode(params).mode
        except (ValueError, RecursionError):
            return None
        return {"form": ELICIT_FORM, "url": ELICIT_URL}.get(mode)
    if method == "sampling/createMessage" and _wants_tools(params):
        return SAMPLE_TOOLS
    return _NEEDED.get(method)


def check_askable(letters: str, method: str, params: bytes) -> None:
    """Raises RpcError when the client has not declared that it can be asked this."""
    needed = needed_for(method, params)
    if needed is None or needed not in letters:
        raise RpcError(METHOD_NOT_FOUND, f"{method}: this client cannot be asked that.")


def _wants_tools(params: bytes) -> bool:
    """Whether the model is to be given tools: a client that does not know of them would answer without."""
    try:
        found = _sampling.decode(params)
    except (ValueError, RecursionError):
        return True
    return found.tools is not None or found.toolChoice is not None


class TaskChannel:
    """The way to the client of an approved call. See ``handlers.calls.bridging.Channel``.

    Who follows it as a task finds the questions there, and answers them. Others can be asked by results only.
    """

    def __init__(self, call: CallId, client: ClientId, approval: Approval, inquiries: Inquiries) -> None:
        self.client = client
        self.call: CallId | None = call
        self.capabilities = approval.capabilities.encode() if approval.capabilities is not None else None
        self.log_level: str | None = None
        self.pushes = self.as_task = approval.as_task
        self.kept = True
        self._letters = letters_of(self.capabilities) if approval.as_task else ""
        self._inquiries = inquiries

    def tell(self, method: str, params: bytes) -> None:
        """Nobody listens."""

    async def ask(self, method: str, params: bytes) -> bytes:
        check_askable(self._letters, method, params)
        if self.call is None:
            raise RpcError(METHOD_NOT_FOUND, f"{method}: there is nobody to ask.")
        return await self._inquiries.ask(self.call, method, params, _shown_by_itself)


async def _shown_by_itself(_: str) -> None:
    """The log says of the task that it waits for input."""
