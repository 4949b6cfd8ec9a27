"""Results stay for their time, and no longer: neither stream nor archive has their text, only size and hash."""

import gzip
import hashlib
import json

import msgspec

from portero.domain.events import Meta
from portero.domain.ids import Millis, ReplicaId
from portero.domain.values import SYSTEM, Status
from portero.log.archive import SegmentWriter
from portero.log.archive.cutting import Mark, cut
from portero.log.codec import encode_meta
from portero.log.entries import Entries
from tests.archive.made import LOG, lines
from tests.handlers.replica import open_replica
from tests.log.support import until
from tests.stores import Place


async def test_a_result_is_kept_for_its_time_and_leaves_size_and_hash(valkey: Place) -> None:
    async with open_replica(valkey, result_seconds=1) as replica:
        call = await replica.approved(id="a")
        ended = await replica.becomes(call, Status.COMPLETED)
        text = await replica.result(ended)
        assert json.loads(text)["content"][0]["text"] == "done"
        assert ended.result_blob is not None
        assert 0 < valkey.redis.pttl(valkey.key(f"blob:{ended.result_blob}")) <= 1000
        await until(lambda: valkey.redis.exists(valkey.key(f"blob:{ended.result_blob}")) == 0, "its time is over")
        segment = (await cut(replica.log.store, replica.log.id, Mark(0, "0-0", ""), 1000)).finish()
        archived = gzip.decompress(segment.data)
        for kept in (archived.decode(), json.dumps(valkey.redis.xrange(valkey.key("log")))):
            assert "done" not in kept
            assert "content" not in kept
            assert ended.result_digest == hashlib.sha256(text.encode()).hexdigest()
            assert ended.result_digest in kept
        assert ended.result_bytes == len(text)


def test_what_an_older_release_wrote_into_an_event_does_not_reach_the_archive() -> None:
    result = '{"content":[{"type":"text","text":"done"}]}'
    data = msgspec.json.encode({"is_error": False, "result": result, "result_blob": None, "result_bytes": len(result)})
    meta = encode_meta(Meta(Millis(1), SYSTEM, ReplicaId("r1"), "w1", schema=1))
    fields = (b"t", b"ExecutionSucceeded", b"s", b"call/a", b"v", b"4", b"n", b"1", b"m", meta, b"d", data)
    writer = SegmentWriter(LOG, 1, "")
    writer.add([(b"5-0", fields)])
    segment = writer.finish()
    _, line, _ = lines(gzip.decompress(segment.data))
    assert "done" not in json.dumps(line)
    archived = (b"5-0", (*fields[:-1], msgspec.json.encode(line["d"])))
    from_archive, from_stream = (Entries().recorded([one], 0) for one in (archived, (b"5-0", fields)))
    assert from_archive == from_stream
    assert line["d"]["result_digest"] == hashlib.sha256(result.encode()).hexdigest()  # type: ignore[index] # an object
