"""A gateway archives by itself, is killed, starts again, and says at its end what to hold the archive against."""

import re
import signal

from tests.system.place import Place, kill, wait_until

CALLS = 40


def test_a_gateway_archives_and_what_it_says_at_its_end_is_a_witness() -> None:
    with Place(PORTERO_ARCHIVE_EVENTS="10", PORTERO_STREAM_KEEP="100", PORTERO_FSYNC="everysec") as place:
        archive = place.folder / "data" / "archive"
        gateway, client = place.start(), place.client()
        for number in range(CALLS):
            assert "result" in client.tool("fx/do", id=str(number))
        wait_until(lambda: archive.exists() and len(list(archive.glob("0*"))) >= 16, "all but the newest is archived")
        kill(gateway)
        (told,) = place.json("audit", "verify")
        assert told["ok"]
        assert told["lastEvent"] >= 160
        gateway = place.start()
        assert "result" in place.client().tool("fx/do", id="again")
        (replayed,) = place.json("replay")
        assert replayed["equal"]
        metrics = client.http.get("/metrics").text
        assert re.search(r"portero_archive_lag_events [0-9]", metrics)
        assert "portero_archive_overdue 0.0" in metrics
        gateway.send_signal(signal.SIGTERM)
        wait_until(lambda: gateway.poll() is not None, "it stops")
        assert gateway.returncode == 0, place.output()[-2000:]
        (told,) = place.json("audit", "verify", "--witness", str(place.folder / "serve.log"))
        assert told["ok"]
        assert told["witnesses"] >= 2
        for newest in sorted(archive.glob("0*"))[-2:]:  # the stop may have come before the log knew of the last
            newest.unlink()
        done = place.command("audit", "verify", "--archive", str(archive), "--witness", str(place.folder / "serve.log"))
        assert done.returncode == 1
        assert "the witness says that it was archived up to event" in done.stdout
