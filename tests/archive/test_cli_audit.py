"""portero audit: verify, export and restore, as a person runs them; and replay and show on a trimmed log."""

import csv
import gzip
import io
import json
import shutil

import pytest
from obstore.store import S3Store

from portero.domain.values import Action
from portero.log.archive import Bucket, name_of
from tests.archive.homes import archived, segments
from tests.cli.home import Home

# --- verify -----------------------------------------------------------------------------------------------------------


def test_a_whole_archive_is_said_to_be_whole(home: Home) -> None:
    archived(home)
    ran = home.run("audit", "verify")
    assert ran.code == 0, ran.out
    assert ran.out.endswith("Whole.\n")
    told = home.run("audit", "verify", "--json").json
    assert told["ok"]
    assert (told["segments"], told["firstEvent"], told["lastEvent"], told["streamChecked"]) == (3, 1, 30, True)
    head = told["head"]
    (home.folder / "output").write_text(f"2026-11-27 08:00:00 [info] the archive's head witness={head}\n")
    for witness in (head, str(home.folder / "output")):
        assert home.run("audit", "verify", "--witness", witness, "--json").json["witnesses"] == 1


@pytest.mark.parametrize("how", ["flip", "drop", "swap", "cut off", "replace"])
def test_what_is_wrong_is_named(home: Home, how: str) -> None:
    """Also the newest one: the log itself says what was archived."""
    archived(home)
    files = segments(home)
    hurt = [files[1]]
    for file in files:
        file.chmod(0o600)
    if how == "flip":
        data = bytearray(files[1].read_bytes())
        data[len(data) // 2] ^= 1
        files[1].write_bytes(bytes(data))
    elif how == "drop":
        files[1].unlink()
    elif how == "swap":
        first, second = files[1].read_bytes(), files[2].read_bytes()
        files[1].write_bytes(second)
        files[2].write_bytes(first)
        hurt = files[1:3]
    elif how == "cut off":
        hurt = [files[-1]]
        files[-1].write_bytes(files[-1].read_bytes()[:-7])
    else:
        hurt = [files[-1]]
        files[-1].unlink()
    ran = home.run("audit", "verify")
    assert ran.code == 1
    for file in hurt:
        assert file.name in ran.out, ran.out
    told = home.run("audit", "verify", "--json").json
    assert not told["ok"]
    assert {file.name for file in hurt} <= {fault["segment"] for fault in told["faults"]}


def test_events_that_are_nowhere_are_named(home: Home) -> None:
    archived(home)
    for file in segments(home):
        file.unlink()
    told = home.run("audit", "verify", "--json")
    assert told.code == 1
    texts = " ".join(fault["text"] for fault in told.json["faults"])
    assert "are neither in the archive nor on the stream" in texts
    assert "archived up to event 30" in texts


@pytest.mark.parametrize("how", ["nothing", "flip", "drop", "swap", "cut off"])
def test_in_an_object_store_too(home: Home, bucket: Bucket, how: str) -> None:
    options = bucket.options
    home.extra |= {
        "PORTERO_ARCHIVE": f"s3://{bucket.name}/{bucket.prefix}",
        "AWS_ENDPOINT_URL": options["endpoint"],
        "AWS_ACCESS_KEY_ID": options["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": options["secret_access_key"],
    }
    archived(home, bucket)
    names = [name_of(first) for first in (1, 11, 21)]
    behind = S3Store(bucket.name, prefix=bucket.prefix, config=dict(options), client_options={"allow_http": True})
    data = {name: bytes(behind.get(name).bytes()) for name in names}
    _, one, two = names
    hurt: list[tuple[str, str]] = []
    if how == "flip":
        at = len(data[one]) // 2
        behind.put(one, data[one][:at] + bytes([data[one][at] ^ 1]) + data[one][at + 1 :])
        hurt = [("changed", one)]
    elif how == "drop":
        behind.delete(one)
        hurt = [("missing", one)]
    elif how == "swap":
        behind.put(one, data[two])
        behind.put(two, data[one])
        hurt = [("out of order", one), ("out of order", two)]
    elif how == "cut off":
        behind.put(two, data[two][:-7])
        hurt = [("cut short", two)]
    ran = home.run("audit", "verify", "--json")
    assert ran.code == (1 if hurt else 0)
    told = ran.json
    assert [(fault["kind"], fault["segment"]) for fault in told["faults"] if fault["segment"]] == hurt
    assert (told["ok"], told["archive"]) == (not hurt, home.extra["PORTERO_ARCHIVE"])
    assert options["secret_access_key"] not in ran.out + ran.err + home.run("audit", "verify").out


def test_a_copy_of_the_archive_alone(home: Home, tmp_path_factory: pytest.TempPathFactory) -> None:
    archived(home)
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(home.folder / "archive", copy / "archive")
    head = home.run("audit", "verify", "--json").json["head"]
    elsewhere = Home(copy, None)
    ran = elsewhere.run("audit", "verify", "--archive", "archive")
    assert ran.code == 0, ran.err
    assert "only a witness or the log could tell" in ran.out
    sorted((copy / "archive").iterdir())[-1].unlink()
    assert elsewhere.run("audit", "verify", "--archive", "archive").code == 0
    ran = elsewhere.run("audit", "verify", "--archive", "archive", "--witness", head)
    assert ran.code == 1
    assert "ends with event 20, but the witness says" in ran.out


def test_what_cannot_be_looked_at_is_said(home: Home) -> None:
    assert "There is no folder" in home.run("audit", "verify", "--archive", "nowhere").err
    (home.folder / "empty").mkdir()
    empty = home.run("audit", "verify", "--archive", "empty")
    assert empty.code == 1
    assert "holds no segment" in empty.err
    home.ask()
    assert "Nothing is archived yet." in home.run("audit", "verify").out
    assert home.run("audit", "verify", "--witness", "hello").code == 2
    off = home.run("audit", "verify", environment={"PORTERO_ARCHIVE": "off"})
    assert off.code == 1
    assert "No archive is configured" in off.err


# --- export -----------------------------------------------------------------------------------------------------------


def test_the_record_as_json_lines_and_as_csv_from_archive_and_stream(home: Home) -> None:
    call = archived(home)
    ran = home.run("audit", "export")
    assert ran.code == 0, ran.err
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) == 38
    first = rows[0]
    assert (first["type"], first["aggregate"], first["actor_id"]) == ("ToolCallRequested", f"call/{call}", "default")
    assert json.loads(first["data"]["arguments"]) == {"to": "jane@example.com"}
    table = list(csv.DictReader(io.StringIO(home.run("audit", "export", "--format", "csv").out, newline="")))
    assert list(table[0]) == list(first)
    assert [int(row["seq"]) for row in table] == [row["seq"] for row in rows]
    assert json.loads(table[0]["data"]) == first["data"]
    alone = home.run("audit", "export", "--archive", "archive").out.splitlines()
    assert [json.loads(line) for line in alone] == rows[:30]


def test_only_a_span_of_time(home: Home) -> None:
    archived(home)
    rows = [json.loads(line) for line in home.run("audit", "export", "--from", "1h").out.splitlines()]
    assert len(rows) == 38
    at = rows[20]["at"]
    wanted = [row for row in rows if row["at"] >= at]
    found = home.run("audit", "export", "--from", at).out.splitlines()
    assert [json.loads(line)["seq"] for line in found] == [row["seq"] for row in wanted]
    found = home.run("audit", "export", "--to", at).out.splitlines()
    assert len(found) == 38 - len(wanted)
    assert home.run("audit", "export", "--to", "2024-01-01").out == ""
    assert home.run("audit", "export", "--from", "2024-01-01", "--to", "1h").out == ""
    assert home.run("audit", "export", "--from", "yesterday").code == 2


def test_a_name_is_no_formula_in_a_table(home: Home) -> None:
    home.on_log(lambda scribe: scribe.ask("a/b", client="=1+1", action=Action.DENY))
    [row, _] = csv.DictReader(io.StringIO(home.run("audit", "export", "--format", "csv").out, newline=""))
    assert row["actor_id"] == "'=1+1"


# --- what else reads the log ------------------------------------------------------------------------------------------


def test_replay_and_show_reach_into_the_archive(home: Home) -> None:
    call = archived(home)
    told = home.run("replay", "--json")
    assert told.code == 0, told.err
    assert told.json["equal"]
    history = home.run("show", call, "--json").json["history"]
    assert [event["type"] for event in history] == ["ToolCallRequested", "PolicyDecided", "ApprovalRequested"]
    assert "archived" in home.run("logs").out
    data = bytearray(segments(home)[0].read_bytes())
    data[200] ^= 1
    segments(home)[0].chmod(0o600)
    segments(home)[0].write_bytes(bytes(data))
    ran = home.run("replay")
    assert ran.code == 1
    assert name_of(1) in ran.err
    away = home.run("replay", environment={"PORTERO_ARCHIVE": "off"})
    assert away.code == 1
    assert "Set PORTERO_ARCHIVE" in away.err


# --- at a glance ------------------------------------------------------------------------------------------------------


def test_status_and_doctor_show_the_archive(home: Home) -> None:
    home.configure()
    home.ask()
    assert "nothing yet, in" in home.run("status").out
    archived(home)
    assert "up to event 40, just now, in" in home.run("status").out
    shown = home.run("status", "--json").json["archive"]
    assert (shown["lastEvent"], shown["waiting"]) == (40, 2)
    assert shown["head"] == home.run("audit", "verify", "--json").json["head"]
    before = segments(home)
    checks = [check for check in home.run("doctor", "--json").json["checks"] if check["about"] == "archive"]
    assert [check["state"] for check in checks] == ["ok", "ok"]
    assert segments(home) == before
    late = home.run("doctor", "--json", environment={"PORTERO_ARCHIVE_EVENTS": "10", "PORTERO_STREAM_KEEP": "100"})
    assert [check["state"] for check in late.json["checks"] if check["about"] == "archive"] == ["ok", "ok"]
    off = {"PORTERO_ARCHIVE": "off"}
    assert "off: the log stays" in home.run("status", environment=off).out
    assert home.run("status", "--json", environment=off).json["archive"] is None


def test_the_doctor_finds_an_archive_that_cannot_be_written_and_one_that_lags(home: Home) -> None:
    home.configure()
    archived(home)
    home.on_log(lambda scribe: scribe.ask_many(340))
    environment = {"PORTERO_ARCHIVE_EVENTS": "10"}
    checks = home.run("doctor", "--json", environment=environment).json["checks"]
    assert [check["state"] for check in checks if check["about"] == "archive"] == ["ok", "warn"]
    (home.folder / "file").touch()
    environment = {"PORTERO_ARCHIVE": "s3://bucket/x", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    environment |= {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-object-store"}
    ran = home.run("doctor", environment=environment)
    assert ran.code == 1
    assert "archive s3://bucket/x cannot be used" in ran.out.lower()
    assert "a-secret" not in ran.out + ran.err


def test_no_result_is_in_the_archive(home: Home) -> None:
    archived(home)
    text = b"".join(gzip.decompress(file.read_bytes()) for file in segments(home))
    assert b"jane@example.com" in text
    assert b'"result":' not in text
