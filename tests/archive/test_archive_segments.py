"""A segment comes back as it went in, or the first changed byte is found."""

import asyncio
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portero.errors import LogDivergence, SegmentDamaged
from portero.log.archive import SegmentWriter, entries_of, first_of, name_of, open_segment
from portero.log.archive.reading import PAGE
from portero.log.archive.segment import GZIP, seal, stored
from tests.archive.made import LOG, chain, entry, files_of, kinds, lines, segment, verdict, witness

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
SAMPLE = segment(5, 40)


def read(data: bytes) -> list[object]:
    return [one for page in entries_of(open_segment("x", data), "x") for one in page]


@given(st.integers(1, 10**12), st.lists(st.tuples(names, names), min_size=1, max_size=30))
def test_what_went_in_comes_out_and_the_same_makes_the_same_bytes(first: int, given: list[tuple[str, str]]) -> None:
    entries = [entry(first + n, aggregate=aggregate, name=name) for n, (aggregate, name) in enumerate(given)]
    made = []
    for size in (1, 7):  # however they came in
        writer = SegmentWriter(LOG, first, "f" * 64)
        for at in range(0, len(entries), size):
            writer.add(entries[at : at + size])
        made.append(writer.finish())
    assert made[0] == made[1]
    opened = open_segment("x", made[0].data)
    assert opened == made[0]
    assert (opened.header.first, opened.header.last, opened.header.events) == (
        first,
        first + len(given) - 1,
        len(given),
    )
    assert read(made[0].data) == entries


def test_any_tool_can_read_it() -> None:
    head, *events, end = lines(gzip.decompress(SAMPLE.data))
    assert head["log"] == LOG
    assert (head["first"], head["last"], head["events"], head["previous"]) == (5, 44, 40, "")
    assert [event["n"] for event in events] == list(range(5, 45))
    assert events[0]["m"]["write"] == "w5"  # type: ignore[index] # an object
    assert end == {"sha256": SAMPLE.digest}


def test_many_events_come_in_pages() -> None:
    pages = list(entries_of(segment(1, 2 * PAGE + 1), "x"))
    assert [len(page) for page in pages] == [PAGE, PAGE, 1]


@given(st.integers(0, len(SAMPLE.data) - 1), st.integers(1, 255))
def test_a_byte_that_was_changed_is_found(at: int, by: int) -> None:
    changed = bytearray(SAMPLE.data)
    changed[at] ^= by
    with pytest.raises(SegmentDamaged) as found:
        open_segment("x", bytes(changed))
    assert found.value.kind in {"changed", "cut short"}


@given(st.integers(0, len(SAMPLE.data) - 1))
def test_one_that_was_cut_short_is_found(length: int) -> None:
    with pytest.raises(SegmentDamaged):
        open_segment("x", SAMPLE.data[:length])


@given(st.integers(0, len(SAMPLE.data)), st.binary(min_size=1, max_size=9))
def test_bytes_that_were_added_are_found(at: int, more: bytes) -> None:
    with pytest.raises(SegmentDamaged):
        read(SAMPLE.data[:at] + more + SAMPLE.data[at:])


def resealed(body: bytes) -> bytes:
    import hashlib

    return body + seal(hashlib.sha256(body).hexdigest())


def test_one_that_was_made_up_with_a_right_hash_is_looked_into() -> None:
    """Whoever makes one up can hash it too: it must hold what it says all the same."""
    writer = SegmentWriter(LOG, 5, "")
    writer.add([entry(5)])
    good = writer.finish()
    body = good.data[:-101]
    with pytest.raises(SegmentDamaged, match="not a segment"):
        open_segment("x", resealed(b"nothing"))
    with pytest.raises(SegmentDamaged, match="something follows"):
        read(resealed(body + gzip.compress(b"more\n")))
    head = gzip.decompress(good.data).splitlines(keepends=True)[0]
    with pytest.raises(SegmentDamaged, match="contradictory"):
        open_segment("x", resealed(stored(head.replace(b'"events":1', b'"events":2')) + body[len(stored(head)) :]))
    longer = head.replace(b'"events":1', b'"events":2').replace(b'"last":5', b'"last":6')
    with pytest.raises(SegmentDamaged, match="ends with event 5 and says 6"):
        read(resealed(stored(longer) + body[len(stored(head)) :]))
    with pytest.raises(SegmentDamaged, match="newer release"):
        open_segment("x", resealed(stored(head.replace(b'"format":1', b'"format":2')) + body[len(stored(head)) :]))
    with pytest.raises(SegmentDamaged, match="cannot be unpacked"):
        read(resealed(body[: -len(GZIP)]))


def test_only_the_next_event_goes_in() -> None:
    writer = SegmentWriter(LOG, 5, "")
    with pytest.raises(LogDivergence, match="event 5 was expected and 6 came"):
        writer.add([entry(6)])
    with pytest.raises(LogDivergence, match="not one of Portero's"):
        writer.add([entry(5, data=b'{},"n":9')])
    with pytest.raises(LogDivergence, match="not one of Portero's"):
        writer.add([(b"1-0", (b"x", b"y"))])


def test_names_are_in_the_order_of_the_events() -> None:
    assert [first_of(name) for name in sorted(map(name_of, [1, 9, 10, 123_456]))] == [1, 9, 10, 123_456]
    assert [first_of(name) for name in ("x", "1.jsonl.gz", name_of(7) + ".bak", "٣" * 20 + ".jsonl.gz")] == [None] * 4


# --- the chain --------------------------------------------------------------------------------------------------------

CHAIN = chain(8, 5, 9, 4)


async def test_a_whole_chain_is_whole() -> None:
    audit = await verdict(files_of(CHAIN), witness(CHAIN[-1]), witness(CHAIN[1]))
    assert audit.faults == []
    assert (audit.segments, audit.events, audit.first, audit.head) == (4, 26, 1, CHAIN[-1].digest)


@given(st.lists(st.integers(1, 9), min_size=3, max_size=6), st.data())
def test_every_injury_is_found_and_the_right_segment_named(sizes: list[int], data: st.DataObject) -> None:
    segments = chain(*sizes, witnessed=data.draw(st.booleans()))
    files = files_of(segments)
    at = data.draw(st.integers(0, len(sizes) - 1))
    one = segments[at].header.name
    how = data.draw(st.sampled_from(["flip", "drop", "swap", "cut", "replace", "other log"]))
    if how == "flip":
        changed = bytearray(files[one])
        changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
        files[one] = bytes(changed)
    elif how == "drop":
        del files[one]
    elif how == "swap":
        other = segments[at - 1].header.name
        files[one], files[other] = files[other], files[one]
    elif how == "cut":
        files[one] = files[one][: data.draw(st.integers(0, len(files[one]) - 1))]
    else:
        header = segments[at].header
        log = "f" * 16 if how == "other log" else LOG
        files[one] = segment(header.first, header.events, header.previous, salt="forged ", log=log).data
    audit = asyncio.run(verdict(files, witness(segments[-1])))
    named = {fault.segment for fault in audit.faults}
    if how == "swap":
        assert {one, segments[at - 1].header.name} <= named
    elif how == "drop" and at == len(sizes) - 1:
        assert f"the archive ends with event {sum(sizes[:-1])}, but the witness says" in audit.faults[-1].text
    elif how == "other log" and at == 0:
        assert {other.header.name for other in segments[1:]} <= named
    elif how == "replace" and at < len(sizes) - 1:
        assert named & {one, segments[at + 1].header.name}
        assert any(one in f"{fault.segment} {fault.text}" for fault in audit.faults)
    else:
        assert one in named, audit.faults


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_chain_that_was_cut_off_is_whole_in_itself_and_only_a_witness_knows(lost: int) -> None:
    files = files_of(CHAIN[:-lost])
    assert (await verdict(files)).faults == []
    assert kinds(await verdict(files, witness(CHAIN[-1]))) == [("missing", None)]
    assert kinds(await verdict(files, witness(CHAIN[0]))) == []


async def test_a_chain_that_was_made_anew_from_one_segment_on_only_a_witness_knows() -> None:
    forged = CHAIN[:1]
    for one in CHAIN[1:]:
        forged.append(segment(one.header.first, one.header.events, forged[-1].digest, salt="forged "))
    assert (await verdict(files_of(forged))).faults == []
    assert kinds(await verdict(files_of(forged), witness(CHAIN[-1]))) == [("replaced", CHAIN[-1].header.name)]
    assert kinds(await verdict(files_of(forged), witness(CHAIN[0]))) == []


async def test_events_inside_of_later_segments_are_witnesses_too() -> None:
    segments = chain(8, 5, 9, witnessed=True)
    files = files_of(segments)
    header = segments[1].header
    forged = segment(header.first, header.events, header.previous, salt="forged ")
    files[header.name] = forged.data
    assert ("replaced", header.name) in kinds(await verdict(files))


async def test_other_files_are_told_apart() -> None:
    audit = await verdict(files_of(CHAIN) | {"README": b"hello", "probe-1": b""})
    assert audit.faults == []
    assert audit.strangers == ["README", "probe-1"]


async def test_what_is_held_twice_is_found() -> None:
    files = files_of(CHAIN)
    extra = segment(12, 3, CHAIN[1].digest)
    files[extra.header.name] = extra.data
    assert ("twice", extra.header.name) in kinds(await verdict(files))
