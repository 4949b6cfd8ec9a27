"""Child MCP servers: connections to them, one supervised owner task each, and the catalogue of what they offer."""

from portero.settings import UpstreamConfig
from portero.upstream.hooks import Notification, ServerRequest
from portero.upstream.limits import DEFAULT, Limits
from portero.upstream.offer.catalogue import Catalogue
from portero.upstream.offer.masking import Masks
from portero.upstream.offer.names import Spelling
from portero.upstream.offer.offers import Prompt, Resource, Template, Tool
from portero.upstream.session.listing import Listing
from portero.upstream.session.status import State, UpstreamStatus
from portero.upstream.shared import Shared
from portero.upstream.upstreams import Upstreams
from portero.upstream.wire.switch import Switch

__all__ = [
    "DEFAULT",
    "Catalogue",
    "Limits",
    "Listing",
    "Masks",
    "Notification",
    "Prompt",
    "Resource",
    "ServerRequest",
    "Shared",
    "Spelling",
    "State",
    "Switch",
    "Template",
    "Tool",
    "UpstreamConfig",
    "UpstreamStatus",
    "Upstreams",
]
