"""The MCP endpoint, put together from its parts."""

from collections.abc import Callable, Iterable

from portero.domain.events import RequestCancelled
from portero.gateway.calls.backchannel import Channels
from portero.gateway.calls.calls import Calls
from portero.gateway.calls.deferring import Deferring
from portero.gateway.calls.parking import Parking
from portero.gateway.calls.taskext import TaskExtension
from portero.gateway.calls.tasks import Tasks
from portero.gateway.calls.upstream_tasks import UpstreamTasks
from portero.gateway.dispatch import Dispatch
from portero.gateway.endpoint import Endpoint
from portero.gateway.exchange.admission import Admission
from portero.gateway.exchange.cancelling import Cancellations
from portero.gateway.exchange.flights import Flights
from portero.gateway.exchange.results import Results
from portero.gateway.exchange.sessions import Sessions
from portero.gateway.http.auth import Clients, Credential
from portero.gateway.incoming import Incoming
from portero.gateway.methods import Methods
from portero.gateway.notices.listen import Listening
from portero.gateway.notices.listeners import Listeners
from portero.gateway.notices.streams import Streams
from portero.gateway.notices.subscribing import Subscribing
from portero.gateway.offer.lists import ToolLists
from portero.gateway.offer.offered import Offered
from portero.gateway.offer.offers import Offers
from portero.gateway.offer.pages import Pages
from portero.gateway.offer.virtual import VirtualTools
from portero.gateway.services import Services


class Parts:
    """``endpoint`` serves, between ``follow`` and what that returns; ``listeners`` are its open streams."""

    def __init__(self, services: Services, credentials: Iterable[Credential]) -> None:
        options, view, subscriptions = services.options, services.core.view, services.subscriptions
        results = Results(options.version)
        sessions = Sessions(services.sealer, view)
        tasks = Tasks(services)
        upstream_tasks = UpstreamTasks(services, results)
        flights = Flights(options.disconnect_seconds, options.keepalive_seconds, options.alive_seconds)
        parking = Parking(services, results, tasks, flights)
        channels = Channels(services.inquiries, parking, view)
        deferring = Deferring(services, results, tasks, flights)
        calls = Calls(services, results, channels, parking, deferring=deferring, tasks=upstream_tasks)
        virtual = VirtualTools(services, results, calls, tasks)
        pages = Pages(services.sealer, options.page_size)
        lists = ToolLists(services, results, pages, virtual)
        offered = Offered(services, results, pages, lists)
        offers = Offers(services, calls, offered)
        extension = TaskExtension(services, results, tasks, upstream_tasks)
        subscribing = Subscribing(subscriptions, offers, results, services.core.replacer)
        methods = Methods(
            services,
            results,
            calls,
            virtual,
            sessions,
            shared={
                "tools/list": lists.tools_list,
                "prompts/list": offered.prompts_list,
                "prompts/get": offers.prompts_get,
                "resources/list": offered.resources_list,
                "resources/templates/list": offered.templates_list,
                "resources/read": offers.resources_read,
                "completion/complete": offers.complete,
            },
            modern={"tasks/get": extension.get, "tasks/update": extension.update, "tasks/cancel": extension.cancel},
            legacy={
                "resources/subscribe": subscribing.subscribe,
                "resources/unsubscribe": subscribing.unsubscribe,
                "logging/setLevel": subscribing.set_level,
            },
        )
        self._services = services
        self._tasks = tasks
        self.listeners = Listeners(options, view.sessions.watched, subscriptions.may_hear)
        listening = Listening(self.listeners, offered, results, extension, subscriptions)
        self._cancellations = Cancellations(flights, subscriptions, services.core.log.replica)
        self.endpoint = Endpoint(
            options,
            Admission(options, Clients(credentials), sessions),
            Streams(view, self.listeners, offered, subscriptions, options.keepalive_seconds),
            Incoming(services.inquiries, self._cancellations),
            Dispatch(methods, listening, services.core.replacer.to_fake_result),
        )

    def follow(self) -> Callable[[], None]:
        """Follows the log and the catalogue; returns what ends that."""
        view = self._services.core.view
        ends = [
            view.subscribe(self._tasks.seen),
            view.subscribe(self.listeners.seen),
            view.subscribe(self._cancellations.seen, RequestCancelled),
            self._services.upstreams.subscribe(self.listeners.catalogue_changed),
        ]

        def end() -> None:
            self.listeners.close()
            for one in ends:
                one()

        return end
