"""Whose a resource is that no server lists, and for which none has a template: the protocol lets servers link to such.

Policies that name its address say whose it is. Where none does, it is that of the one server that lists something like
it; but never where its scheme is one that any program knows how to follow, for then a client could send servers to
places that nobody meant. What it comes to passes the gate as any other address.
"""

from typing import Final

from portero.domain.ids import ClientId
from portero.domain.patterns import policy_name
from portero.domain.values import Action, Kind, Reason, Tier
from portero.errors import NotFound
from portero.gateway.services import Services
from portero.upstream.offer.kinship import WELL_KNOWN, Family, family

_RESOURCE: Final = f"{Kind.RESOURCE.value}:"
_BY_NAME: Final = frozenset({Tier.RULE, Tier.EXACT, Tier.PATTERN})

NO_ADDRESS: Final = "it is no address whose beginning everybody reads in the same way"
NAMED_TWICE: Final = "policies name it for more than one server"
NOT_NAMED: Final = (
    "addresses of {scheme}: are asked for only where a policy names them for a server, as SERVER/resource:{scheme}:*"
)
NO_KIN: Final = "no server lists anything like it"
TOO_MANY_KIN: Final = "more than one server lists something like it"
NOT_YET: Final = "{server} has not said yet what it has"


class Unlisted:
    """Says whose such an address is. It depends on lists, configuration and rules only, so every replica agrees."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def owner(self, uri: str, client: ClientId) -> str:
        """The server. ``uri`` has fakes in it. Raises NotFound, saying why it is nobody's."""
        found = family(uri)
        if found is None:
            raise NotFound(NO_ADDRESS)
        named = [server for server in self._services.upstreams.configs if self._named(server, uri, found, client)]
        if len(named) > 1:
            raise NotFound(NAMED_TWICE)
        return named[0] if named else self._kin(found)

    def _named(self, server: str, uri: str, its: Family, client: ClientId) -> bool:
        """Whether a policy speaks of this address of this server: a denial that does keeps it from all others."""
        verdict = self._services.verdict_for_lists(policy_name(Kind.RESOURCE, server, uri), client)
        said = [(verdict.action, verdict.reason), *((beaten.action, beaten.reason) for beaten in verdict.beaten)]
        return any(_names(server, its.scheme, action, reason) for action, reason in said)

    def _kin(self, its: Family) -> str:
        kinship = self._services.upstreams.catalogue.kinship
        if its.scheme in WELL_KNOWN:
            raise NotFound(NOT_NAMED.format(scheme=its.scheme))
        if its.authority is None:
            raise NotFound(NO_ADDRESS)
        if kinship.unknown:
            raise NotFound(NOT_YET.format(server=kinship.unknown[0]))
        kin = kinship.closest(its)
        if len(kin) != 1:
            raise NotFound(TOO_MANY_KIN if kin else NO_KIN)
        (owner,) = kin
        return owner


def _names(server: str, scheme: str, action: Action, reason: Reason) -> bool:
    """Whether the pattern that decides, or would, was written for such addresses of the server.

    A denial is, if it says anything of the address. What permits or asks must name server and scheme.
    """
    if reason.tier not in _BY_NAME or reason.grant is not None or reason.pattern is None:
        return False
    its_server, _, name = reason.pattern.partition("/")
    if not name.startswith(_RESOURCE):
        return False
    address = name.removeprefix(_RESOURCE)
    if action is Action.DENY:
        return its_server != "*" and address.strip("*") != ""
    return its_server == server and address.lower().startswith(f"{scheme}:")
