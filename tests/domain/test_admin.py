"""Who may decide, and the lock."""

import pytest

from portero.domain.admin import Lock, evolve, evolve_lock
from portero.domain.events import AccessLocked, AccessUnlocked, AdminPaired, AdminRemoved
from portero.domain.values import SYSTEM
from portero.errors import NotFound
from tests.domain.stories import ANA, BEN, NOW, folded, recorded, unreadable

PAIRED = AdminPaired(42, "Ana", 4242)


def test_an_admin_is_paired_and_removed():
    admin = folded(evolve, "admin/42", [PAIRED])
    assert (admin.user, admin.name, admin.chat, admin.paired_at, admin.removed_at) == (42, "Ana", 4242, NOW, None)
    gone = folded(evolve, "admin/42", [PAIRED, AdminRemoved(BEN)])
    assert (gone.removed_at, gone.removed_by, gone.version) == (NOW, BEN, 2)
    assert folded(evolve, "admin/42", [PAIRED, AdminRemoved(BEN), PAIRED]).removed_at is None


def test_an_admin_without_a_pairing_is_not_made_up():
    with pytest.raises(NotFound):
        evolve(None, recorded(AdminRemoved(BEN), aggregate="admin/42", version=2))


def test_the_lock_goes_on_and_off():
    locked = evolve_lock(recorded(AccessLocked(ANA, "holiday"), aggregate="system/lock", version=1))
    assert locked == Lock(ANA, NOW, "holiday")
    assert evolve_lock(recorded(AccessUnlocked(ANA), aggregate="system/lock", version=2)) is None


def test_a_lock_that_cannot_be_read_counts_as_locked():
    assert evolve_lock(unreadable("system/lock", 3)).by == SYSTEM
