"""Which tools a client has used lately."""

from msgspec.structs import replace

from portero.domain.ids import ClientId
from portero.domain.values import Action, Kind
from projections.limits import Limits
from tests.domain.stories import ALLOWED, CLIENT, DENIED_BY_POLICY, PENDING, REQUESTED, decided
from tests.projections.tape import Tape, call_id

OTHER = ClientId("other")


def uses(*tools: str, client: ClientId = CLIENT, tape: Tape | None = None) -> Tape:
    tape = tape or Tape()
    for tool in tools:
        request = replace(REQUESTED, client=client, name=tool)
        tape.call(request, decided(Action.ALLOW), call=call_id(len(tape.log)))
    return tape


def test_tools_that_ran_or_were_asked_for_are_used():
    asked = replace(PENDING[0], name="delete_repo")
    view = Tape().call(*ALLOWED).call(asked, *PENDING[1:], call=call_id(1)).view()
    assert view.recent.used(CLIENT) == {"github/create_issue", "github/delete_repo"}


def test_denied_calls_resources_and_prompts_are_no_use_of_a_tool():
    tape = Tape().call(*DENIED_BY_POLICY)
    for number, kind in enumerate((Kind.RESOURCE, Kind.PROMPT, Kind.COMPLETION), 1):
        tape.call(replace(REQUESTED, kind=kind), decided(Action.ALLOW), call=call_id(number))
    assert tape.view().recent.used(CLIENT) == frozenset()


def test_each_client_has_its_own():
    view = uses("b", client=OTHER, tape=uses("a")).view()
    assert (view.recent.used(CLIENT), view.recent.used(OTHER)) == ({"github/a"}, {"github/b"})
    assert view.recent.used(ClientId("nobody")) == frozenset()


def test_the_tool_not_used_for_longest_is_forgotten():
    view = uses("a", "b", "c", "a", "d").view(Limits(recent_tools=3))
    assert view.recent.used(CLIENT) == {"github/a", "github/c", "github/d"}


def test_the_names_are_the_same_object_until_they_change():
    tape = uses("a", "b")
    view = tape.view()
    before = view.recent.used(CLIENT)
    view.apply(uses("a", "b", "a", tape=tape).log)
    assert view.recent.used(CLIENT) is before
    view.apply(uses("c", tape=tape).log)
    assert view.recent.used(CLIENT) == {"github/a", "github/b", "github/c"}


def test_clients_are_not_remembered_without_end():
    tape = Tape()
    for number in range(5):
        uses("a", client=ClientId(f"c{number}"), tape=tape)
    recent = tape.view(Limits(clients=2)).recent
    assert [bool(recent.used(ClientId(f"c{number}"))) for number in range(5)] == [False, False, False, True, True]
