"""Of a server that must have one instance, one replica is the owner, and an older lease takes nothing over."""

import pytest

from portero.domain.commands import EndOwnership, TakeOwnership
from portero.domain.events import OwnershipEnded, OwnershipTaken
from portero.domain.owner import decide, evolve
from portero.errors import AlreadyDecided, DecisionError, NotFound
from tests.domain.stories import NOW, R1, R2, Story, folded, recorded, unreadable

TAKEN = OwnershipTaken(R1, 4)
ENDED = OwnershipEnded(R1, 4, "stopped")


def given(*events):
    return Story(folded(evolve, "owner/notes", events), decide)


def test_who_holds_a_later_lease_takes_it():
    given().when(TakeOwnership(R1, 4)).then(TAKEN)
    given(TAKEN).when(TakeOwnership(R2, 5)).then(OwnershipTaken(R2, 5))
    given(TAKEN, ENDED).when(TakeOwnership(R1, 9)).then(OwnershipTaken(R1, 9))


@pytest.mark.parametrize("history", [(TAKEN,), (TAKEN, ENDED)])
@pytest.mark.parametrize("epoch", [3, 4])
def test_who_slept_with_an_older_lease_takes_nothing_over(history, epoch):
    given(*history).when(TakeOwnership(R2, epoch)).then_refused(AlreadyDecided, "taken over")


def test_only_its_owner_gives_it_back_and_once():
    given(TAKEN).when(EndOwnership(R1, 4, "stopped")).then(ENDED)
    given(TAKEN).when(EndOwnership(R2, 4, "stopped")).then_nothing()
    given(TAKEN).when(EndOwnership(R1, 3, "stopped")).then_nothing()
    given(TAKEN, ENDED).when(EndOwnership(R1, 4, "stopped")).then_nothing()
    given().when(EndOwnership(R1, 4, "stopped")).then_nothing()


def test_how_it_stands():
    owner = folded(evolve, "owner/notes", [TAKEN])
    assert (owner.upstream, owner.version, owner.epoch, owner.replica, owner.since) == ("notes", 1, 4, R1, NOW)
    back = folded(evolve, "owner/notes", [TAKEN, ENDED])
    assert (back.version, back.epoch, back.replica, back.reason) == (2, 4, None, "stopped")


def test_nothing_is_made_up():
    with pytest.raises(NotFound):
        evolve(None, recorded(ENDED, aggregate="owner/notes", version=2))


def test_what_a_newer_release_wrote_is_left_alone_and_owned_by_nobody():
    owner = evolve(folded(evolve, "owner/notes", [TAKEN]), unreadable("owner/notes", 2))
    assert (owner.replica, owner.version) == (None, 2)
    Story(owner, decide).when(TakeOwnership(R2, 9)).then_refused(DecisionError, "newer release")
