"""What clients of the older era say of their sessions: subscriptions to resources, and the level of log messages."""

from handlers.resources.subscriptions import Refusal, Subscriptions
from portero.domain.mcp import LOG_LEVELS
from portero.domain.patterns import policy_name
from portero.domain.policy import Verdict
from portero.domain.replacement import Replacer
from portero.domain.values import Action, Kind
from portero.errors import (
    DENIED,
    INVALID_PARAMS,
    INVALID_REQUEST,
    RESOURCE_NOT_FOUND,
    UPSTREAM_UNAVAILABLE,
    CallError,
    DecisionError,
    NotFound,
    RpcError,
    UpstreamRefused,
)
from portero.gateway import texts
from portero.gateway.exchange.request import Request
from portero.gateway.exchange.results import Results
from portero.gateway.exchange.sessions import SESSION
from portero.gateway.offer.offers import Offers


class Subscribing:
    def __init__(self, subscriptions: Subscriptions, offers: Offers, results: Results, replacer: Replacer) -> None:
        self._subscriptions, self._offers, self._results = subscriptions, offers, results
        self._replacer = replacer

    async def subscribe(self, request: Request) -> bytes:
        uri, owner = self._named(request)
        try:
            (refusal,) = await self._subscriptions.subscribe(request.client, request.session.key, [(owner, uri)])
        except DecisionError as error:
            raise RpcError(INVALID_PARAMS, str(error)) from error
        if refusal is not None:
            raise self._refused(refusal, policy_name(Kind.RESOURCE, owner, uri))
        return self._results.own({}, modern=False)

    async def unsubscribe(self, request: Request) -> bytes:
        uri, owner = self._named(request)
        try:
            await self._subscriptions.unsubscribe(request.client, request.session.key, owner, uri)
        except DecisionError as error:
            raise RpcError(INVALID_PARAMS, str(error)) from error
        return self._results.own({}, modern=False)

    async def set_level(self, request: Request) -> bytes:
        level = request.text("level")
        if level not in LOG_LEVELS:
            raise RpcError(INVALID_PARAMS, f"level must be one of {', '.join(LOG_LEVELS)}.")
        try:
            await self._subscriptions.set_level(request.client, request.session.key, level)
        except NotFound as error:
            raise RpcError(INVALID_PARAMS, str(error)) from error
        return self._results.own({}, modern=False)

    def _named(self, request: Request) -> tuple[str, str]:
        if SESSION not in request.headers:
            text = "Subscriptions belong to a session: send the Mcp-Session-Id that initialize has answered with."
            raise RpcError(INVALID_REQUEST, text)
        uri = request.text("uri")
        return uri, self._offers.owner(request, uri, RESOURCE_NOT_FOUND)

    def _refused(self, refusal: Refusal, name: str) -> RpcError:
        if isinstance(refusal, Verdict):
            if refusal.action is Action.ASK:
                return RpcError(DENIED, texts.NOT_WATCHED.format(name=name))
            return RpcError(DENIED, texts.refused(name, refusal.reason))
        if isinstance(refusal, UpstreamRefused):
            return CallError(refusal.code, self._replacer.mask_text(refusal.message))
        return CallError(UPSTREAM_UNAVAILABLE, self._replacer.mask_text(str(refusal)))
