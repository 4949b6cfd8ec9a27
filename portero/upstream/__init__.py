"""Child MCP servers: connections to them, one supervised owner task each, and the catalogue of what they offer."""

from portero.settings import UpstreamConfig
from portero.upstream.catalogue import Catalogue
from portero.upstream.hooks import Notification, ServerRequest
from portero.upstream.limits import DEFAULT, Limits
from portero.upstream.listing import Listing
from portero.upstream.masking import Masks
from portero.upstream.names import Spelling
from portero.upstream.offers import Prompt, Resource, Template, Tool
from portero.upstream.shared import Shared
from portero.upstream.status import State, UpstreamStatus
from portero.upstream.switch import Switch
from portero.upstream.upstreams import Upstreams

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
