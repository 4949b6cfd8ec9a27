"""A snapshot: what it holds, and what happens to one that cannot be read."""

import zlib

import pytest

from portero.domain import events as e
from portero.domain.ids import LOCK_AGGREGATE
from portero.errors import SnapshotUnreadable
from projections import View
from projections.snapshot import FORMAT
from tests.domain.stories import ANA, CALL, CLIENT, PENDING, UNKNOWN
from tests.projections.lives import write_life
from tests.projections.tape import Tape, call_id


def test_a_restored_view_answers_as_before():
    tape = Tape().call(*PENDING).call(*UNKNOWN, call=call_id(1)).write(LOCK_AGGREGATE, e.AccessLocked(ANA, "holiday"))
    before = tape.view()
    view = View.restore(before.snapshot())
    assert view.calls.get(CALL) == before.calls.get(CALL)
    assert view.calls.pending() == before.calls.pending()
    assert view.calls.recent(CLIENT) == before.calls.recent(CLIENT)
    assert (view.locked, view.calls.counts) == (before.locked, before.calls.counts)
    assert (view.activity.recent(), view.recent.used(CLIENT)) == (before.activity.recent(), before.recent.used(CLIENT))
    assert (view.seq, view.entry, view.policy_version) == (before.seq, before.entry, before.policy_version)


def test_an_empty_view_has_a_snapshot_too():
    assert View.restore(View().snapshot()).digest() == View().digest()


def test_the_format_is_named_in_the_first_line():
    assert View().snapshot().startswith(b"portero view %d\n" % FORMAT)


@pytest.mark.parametrize("head", [b"portero view 0\n", b"portero view %d\n" % (FORMAT + 1), b"something else\n", b""])
def test_another_format_is_not_read(head):
    body = View().snapshot().partition(b"\n")[2]
    with pytest.raises(SnapshotUnreadable, match="another format"):
        View.restore(head + body)


@pytest.mark.parametrize(
    "spoil", [lambda body: body[:-9], lambda body: b"x" + body, lambda body: zlib.compress(b"\xc1")]
)
def test_a_damaged_snapshot_is_not_read(spoil):
    head, _, body = write_life(7, 50).view().snapshot().partition(b"\n")
    with pytest.raises(SnapshotUnreadable, match="damaged"):
        View.restore(head + b"\n" + spoil(body))


def test_the_digest_knows_every_event():
    log = write_life(3, 80).log
    view, digests = View(), set()
    for recorded in log:
        view.apply([recorded])
        digests.add(view.digest())
    assert len(digests) == len(log)


def test_the_digest_does_not_know_where_the_log_is_kept():
    view = Tape().call(*PENDING).view()
    digest = view.digest()
    view.entry = "999-9"
    assert view.digest() == digest
