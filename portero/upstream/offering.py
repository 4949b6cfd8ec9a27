"""What all upstreams offer together: one catalogue, made anew whenever one of them offers something else."""

from collections.abc import Callable, Sequence

import structlog

from portero.domain.ids import ReplicaId
from portero.errors import ConfigError
from portero.settings import UpstreamConfig
from portero.upstream.offer import merge
from portero.upstream.offer.catalogue import Catalogue
from portero.upstream.offer.masking import Masks
from portero.upstream.session.listing import Listing
from portero.upstream.session.reporting import Reporting
from portero.upstream.session.supervisor import Supervisor
from portero.upstream.session.watching import can_be_watched
from portero.upstream.shared import Share, Shared

log = structlog.get_logger("portero.upstream")


class Offering:
    """``runs`` says whether an upstream runs here; of others, of which there is one instance, others report."""

    def __init__(
        self,
        configs: Sequence[UpstreamConfig],
        replica: ReplicaId,
        reporting: Reporting,
        *,
        masks: Masks,
        share: Share | None,
        runs: Callable[[str], bool],
    ) -> None:
        self.catalogue = Catalogue()
        self.listeners: list[Callable[[Catalogue], None]] = []
        self._replica, self._reporting, self._share, self._runs = replica, reporting, share, runs
        self._masks = masks
        self._sections = {config.name: merge.Section(config) for config in configs}
        if len(self._sections) < len(configs):
            raise ConfigError("Two servers in mcps.json have the same name. Give each its own.")
        self._shared: dict[str, Shared] = {}
        """What all replicas know of those of which there is one instance."""

    def is_known(self, upstream: str) -> bool:
        """Whether it was ever listed."""
        return self._sections[upstream].listed

    def watchable(self, upstream: str) -> bool:
        """Whether whoever runs it says that it tells of changes to resources."""
        return upstream in self._shared and self._shared[upstream].watchable

    def taken(self, supervisor: Supervisor, listing: Listing) -> Catalogue:
        """The catalogue with the lists of an upstream that runs here; ``publish`` it."""
        name, server = supervisor.config.name, supervisor.server
        section = self._section(supervisor, listing)
        if self._share is not None and supervisor.config.single:
            watchable = server is not None and can_be_watched(server)
            shared = self._shared[name] = self._share(name, section.listing, watchable)
            section = section.within(shared.listing)
        return self._merged(section)

    def adopt(self, supervisor: Supervisor, shared: Shared) -> None:
        """Publishes what another replica says of an upstream that it runs, unless that is known already."""
        name = supervisor.config.name
        if name not in self._shared or self._shared[name].key != shared.key:
            self._shared[name] = shared
            self.publish(self._merged(self._section(supervisor, shared.listing)))

    def publish(self, catalogue: Catalogue) -> None:
        before, self.catalogue = self.catalogue, catalogue
        for name, section in self._sections.items():
            for reason in catalogue.dropped.get(name, ()):
                if reason not in before.dropped.get(name, ()):
                    log.warning("refused", upstream=name, reason=reason)
            if section.listed and self._runs(name):
                lists = self._shared[name].key if name in self._shared else None
                self._reporting.offers(name, merge.changed(catalogue, name, self._replica, lists))
        for listener in list(self.listeners):
            listener(catalogue)

    def _section(self, supervisor: Supervisor, listing: Listing) -> merge.Section:
        """What goes to other replicas is kept beside the log, so there are no secrets in it either."""
        masks = self._masks if supervisor.config.single else self._masks.alone
        return merge.section(supervisor.config, listing, supervisor.mask, masks)

    def _merged(self, section: merge.Section) -> Catalogue:
        """A lost upstream keeps its tools: calls to them say so, and nobody's list of tools flickers."""
        name = section.config.name
        self._sections[name] = section
        for warning in merge.warnings(section):
            log.warning("catalogue", upstream=name, warning=warning)
        return merge.merge(list(self._sections.values()), self.catalogue.version + 1)
