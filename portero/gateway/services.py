"""What the endpoint works with: the other parts of the house, as it needs them."""

from collections.abc import Callable

import attrs

from handlers.between.passing import Passing
from handlers.between.returning import Returning
from handlers.between.tending import Tending
from handlers.calls.inquiries import Inquiries
from handlers.calls.requests import Requests
from handlers.core import Core
from handlers.people.decisions import Decisions
from handlers.resources.subscriptions import Subscriptions
from portero.domain.ids import ClientId
from portero.domain.policy import Verdict
from portero.domain.policy_index import PolicyIndex
from portero.domain.values import Action
from portero.gateway.options import Options
from portero.gateway.sealing import Sealer
from portero.telemetry import Sample
from portero.upstream import Spelling, Upstreams


@attrs.frozen
class Readiness:
    """Whether this replica takes calls; if not, every reason in a sentence."""

    reasons: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        return not self.reasons


@attrs.frozen
class Services:
    """``readiness`` and ``sample`` are asked whenever somebody looks at ``/ready`` or ``/metrics``."""

    options: Options
    core: Core
    requests: Requests
    decisions: Decisions
    subscriptions: Subscriptions
    inquiries: Inquiries
    sealer: Sealer
    upstreams: Upstreams
    passing: Passing
    tending: Tending
    returning: Returning
    readiness: Callable[[], Readiness]
    sample: Callable[[], Sample]
    lists: PolicyIndex = attrs.field(init=False)
    promised: set[tuple[ClientId, str]] = attrs.field(factory=set, init=False)
    """Tools that a client which knows no tasks was shown with an output schema: a pending answer to them must not look
    like a result."""

    @lists.default
    def _lists(self) -> PolicyIndex:
        return PolicyIndex(self.core.policy, self.core.replacer.stored_text)

    @property
    def spelling(self) -> Spelling:
        return Spelling.SAFE if self.options.safe_names else Spelling.SLASH

    def verdict_for_lists(self, tool: str, client: ClientId) -> Verdict:
        """What the policy says of a tool by itself.

        A lock is left out: it ends, and lists that come and go with it would only confuse. Grants are part of it, so
        that the verdict can be shown; ``may_ask`` sees through them.
        """
        core = self.core
        view = core.view
        return self.lists.decide(
            tool,
            client,
            rules=view.rules,
            grants=view.grants,
            locked=False,
            policy_version=view.policy_version,
            now=core.clock(),
        )


def may_ask(verdict: Verdict) -> bool:
    """Whether a call may be answered with "pending": it is asked for now, or will be when a grant has ended."""
    return verdict.action is Action.ASK or verdict.reason.grant is not None
