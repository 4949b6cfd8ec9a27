"""Replicas, their configuration, and how each sees its upstreams."""

from portero.domain import events as e
from portero.domain.archive import Archived
from portero.domain.ids import Millis, ReplicaId
from portero.domain.values import Action, ToolFacts
from projections import View
from projections.limits import Limits
from tests.domain.stories import ALLOWED, MINUTE, NOW, R1, R2, REQUESTED, SECOND
from tests.projections.tape import Tape


def started(replica=R1):
    return e.ReplicaStarted(replica, "0.1.0", 77, "host", "http://127.0.0.1:8443")


def loaded(replica=R1, policies="p", names=("git",), singles=()):
    return e.ConfigLoaded(replica, policies, "r", "u", Action.ASK, names, singles=singles)


def connected(replica=R1):
    return e.UpstreamConnected(replica, "mcp-git", "1.2", "2025-11-25", 12)


def lost(replica=R1, reason="exit 1", failures=1):
    return e.UpstreamLost(replica, reason, failures, False, Millis(NOW + SECOND))


def tools(*names, replica=R1):
    return e.CatalogueChanged(replica, "d", tuple(e.CatalogueTool(name, ToolFacts()) for name in names))


def running(*replicas, singles=()) -> Tape:
    tape = Tape()
    for replica in replicas:
        tape.write(f"replica/{replica}", started(replica), loaded(replica, singles=singles), replica=replica)
    return tape


# --- replicas ---------------------------------------------------------------------------------------------------------


def test_a_replica_is_known_from_its_start():
    replica = running(R1).view().replicas.get(R1)
    assert (replica.version, replica.pid, replica.host, replica.endpoint) == (
        "0.1.0",
        77,
        "host",
        "http://127.0.0.1:8443",
    )
    assert (replica.started_at, replica.last_seen, replica.stopped_at) == (NOW, NOW, None)


def test_whatever_a_replica_writes_shows_that_it_lives():
    tape = running(R1, R2).write("call/1", REQUESTED, replica=R2, at=NOW + MINUTE)
    replicas = tape.view().replicas
    assert (replicas.get(R1).last_seen, replicas.get(R2).last_seen) == (NOW, NOW + MINUTE)


def test_who_starts_at_the_same_address_has_taken_the_place_of_another():
    tape = Tape()
    for name, host, endpoint in (
        *(("r1", "a", "http://a:1"), ("r2", "a", "http://a:2"), ("r3", "b", "http://a:1")),
        *(("r4", "a", ""), ("r5", "a", ""), ("r6", "a", "http://a:1")),
    ):
        tape.write(f"replica/{name}", e.ReplicaStarted(ReplicaId(name), "1", 7, host, endpoint))
    replicas = tape.view().replicas
    assert len(replicas.running()) == 6
    assert sorted(replica.id for replica in replicas.present()) == ["r2", "r3", "r4", "r5", "r6"]


def test_who_never_started_is_no_replica():
    tape = Tape().write("call/1", *ALLOWED, replica=ReplicaId("cli"))
    assert tape.view().replicas.all() == []


def test_a_replica_that_stopped_says_so_and_takes_its_upstreams_along():
    tape = running(R1, R2).write("upstream/git", connected(R1), connected(R2), tools("log"))
    tape.write("replica/r1", e.ReplicaStopped(R1, "asked to"), at=NOW + MINUTE)
    view = tape.view()
    assert (view.replicas.get(R1).stopped_at, view.replicas.get(R1).stop_reason) == (NOW + MINUTE, "asked to")
    assert [replica.id for replica in view.replicas.running()] == [R2]
    assert [state.replica for state in view.upstreams.states("git")] == [R2]
    assert (view.config.of(R1), view.config.of(R2) is None) == (None, False)


def test_a_replica_that_starts_again_begins_anew():
    tape = running(R1).write("upstream/git", connected()).write("replica/r1", started(), at=NOW + MINUTE)
    view = tape.view()
    assert (view.upstreams.states(), view.config.all(), view.replicas.get(R1).started_at) == ([], [], NOW + MINUTE)


def test_old_replicas_are_forgotten_those_that_stopped_first():
    tape = running(R1, R2).write("upstream/git", connected(R1), connected(R2))
    tape.write("replica/r2", e.ReplicaStopped(R2, "asked to"))
    tape.write("replica/r3", started(ReplicaId("r3"))).write("replica/r4", started(ReplicaId("r4")))
    assert [replica.id for replica in tape.view(Limits(replicas=3)).replicas.all()] == ["r1", "r3", "r4"]


def test_a_forgotten_replica_leaves_nothing_behind():
    tape = running(R1).write("upstream/git", connected()).write("replica/r2", started(R2))
    view = tape.view(Limits(replicas=1))
    assert [replica.id for replica in view.replicas.all()] == [R2]
    assert (view.upstreams.states(), view.config.all()) == ([], [])


def test_a_stop_of_an_unknown_replica_changes_nothing():
    assert Tape().write("replica/r9", e.ReplicaStopped(ReplicaId("r9"), "x")).view().replicas.all() == []


# --- configuration ----------------------------------------------------------------------------------------------------


def test_replicas_that_decide_by_different_policies_are_noticed():
    tape = running(R1, R2)
    assert not tape.view().config.differs
    tape.write("replica/r2", loaded(R2, policies="other"), at=NOW + MINUTE)
    view = tape.view()
    assert view.config.differs
    assert (view.config.newest().config.policies, view.config.newest().at) == ("other", NOW + MINUTE)


# --- upstreams --------------------------------------------------------------------------------------------------------


def test_an_upstream_is_shown_as_each_replica_sees_it():
    tape = running(R1, R2).write("upstream/git", connected(R1), lost(R2)).write("upstream/a", lost())
    states = tape.view().upstreams.states()
    assert [(state.upstream, state.replica, state.connected) for state in states] == [
        ("a", R1, False), ("git", R1, True), ("git", R2, False),
    ]  # fmt: skip
    assert (states[1].server, states[1].version, states[1].tools) == ("mcp-git", "1.2", 12)
    assert (states[2].reason, states[2].failures, states[2].retry_at) == ("exit 1", 1, NOW + SECOND)


def test_an_upstream_is_lost_since_it_was_lost_first():
    tape = running(R1).write("upstream/git", connected()).write("upstream/git", lost(), at=NOW + SECOND)
    [state] = tape.write("upstream/git", lost(failures=2), at=NOW + MINUTE).view().upstreams.states()
    assert (state.since, state.failures) == (NOW + SECOND, 2)
    [state] = tape.write("upstream/git", connected(), at=NOW + MINUTE).view().upstreams.states()
    assert (state.connected, state.since, state.reason) == (True, NOW + MINUTE, None)


def test_the_newest_catalogue_says_which_tools_there_are():
    tape = running(R1, R2).write("upstream/git", tools("log", "diff"), tools("log", "show", replica=R2))
    upstreams = tape.write("upstream/aa", tools("z", "b")).view().upstreams
    assert [name for name, _ in upstreams.tools()] == ["aa/z", "aa/b", "git/log", "git/show"]
    assert upstreams.catalogue("git").replica == R2
    assert (upstreams.catalogue("x"), sorted(upstreams.catalogues)) == (None, ["aa", "git"])


def test_tools_of_an_upstream_that_no_replica_is_configured_with_are_forgotten():
    tape = running(R1, R2).write("upstream/git", tools("log"))
    tape.write("replica/r1", loaded(R1, names=("other",)))
    assert tape.view().upstreams.catalogue("git") is not None
    tape.write("replica/r2", loaded(R2, names=("other",)))
    assert tape.view().upstreams.catalogue("git") is None


def test_the_last_archived_segment_is_known():
    tape = Tape().write("system/archive", e.SegmentArchived(1, 9, "d1", "", "x", 100, "7-0"))
    assert tape.view().archived == Archived(1, 9, "7-0", "d1", "x", Millis(NOW))
    tape.write("system/archive", e.SegmentArchived(10, 12, "d2", "d1", "y", 100, "8-0"), e.SegmentsRemoved(10, "d1"))
    assert tape.view().archived == Archived(3, 12, "8-0", "d2", "y", Millis(NOW), 10)
    assert View.restore(tape.view().snapshot()).archived == tape.view().archived


def test_what_a_newer_release_says_of_the_archive_moves_its_version():
    tape = Tape().write("system/archive", "SegmentMoved", e.SegmentArchived(1, 9, "d", "", "x", 100), "SegmentMoved")
    archived = tape.view().archived
    assert archived is not None
    assert (archived.version, archived.last) == (3, 9)


# --- servers of which there is one instance ---------------------------------------------------------------------------


def taken(replica=R1, epoch=1):
    return e.OwnershipTaken(replica, epoch)


def shared(replica, lists):
    return e.CatalogueChanged(replica, lists, (), lists=lists)


def test_its_owner_is_known_and_that_it_has_none():
    tape = running(R1, R2).write("owner/git", taken(R1, 3))
    view = tape.view()
    owner = view.owners.get("git")
    assert ([owner.upstream for owner in view.owners], owner.replica, owner.epoch) == (["git"], R1, 3)
    view = tape.write("owner/git", e.OwnershipEnded(R1, 3, "stopped"), at=NOW + MINUTE).view()
    owner = view.owners.get("git")
    assert (owner.replica, owner.since, owner.version, view.owners.get("gut")) == (None, NOW + MINUTE, 2, None)
    assert [entry.detail for entry in view.activity.recent(2)] == ["stopped (on r1)", "on r1"]


def test_only_its_owner_has_a_view_of_it():
    tape = running(R1, R2, singles=("git",))
    tape.write("owner/git", taken(R1)).write("upstream/git", connected(R1), shared(R1, "a"))
    tape.write("owner/git", taken(R2, 2))
    assert tape.view().upstreams.states("git") == []
    tape.write("upstream/git", connected(R2), shared(R2, "b"))
    tape.write("upstream/git", lost(R1), shared(R1, "c"))  # what the former one has to say comes late
    view = tape.view()
    assert [(state.replica, state.connected) for state in view.upstreams.states("git")] == [(R2, True)]
    assert view.upstreams.catalogue("git").lists == "b"


def test_a_server_that_every_replica_runs_again_is_seen_by_all():
    """Also when its last owner ended without a word."""
    tape = running(R1, singles=("git",)).write("owner/git", taken(R1)).write("upstream/git", connected(R1))
    tape.write(f"replica/{R2}", started(R2), loaded(R2), replica=R2)
    view = tape.write("upstream/git", connected(R2), tools("log", replica=R2), lost(R2)).view()
    assert view.config.singles() == frozenset()
    assert [(state.replica, state.connected) for state in view.upstreams.states("git")] == [(R1, True), (R2, False)]
    assert view.upstreams.catalogue("git").replica == R2


def test_what_cannot_be_read_of_an_owner_leaves_none():
    owner = running(R1).write("owner/git", taken(R1), "OwnershipSplit").view().owners.get("git")
    assert (owner.replica, owner.foreign) == (None, True)
    assert running(R1).write("owner/git", "OwnershipSplit").view().owners.get("git") is None
