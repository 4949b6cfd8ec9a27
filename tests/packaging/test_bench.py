"""The bench measures what it says: it runs, its numbers add up, and a wrong answer does not pass."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ops.bench import client, report
from ops.bench.subjects import Sample
from tests.packaging.tools import ROOT


def run_bench(folder: Path, *options: str) -> dict[str, list[dict[str, object]]]:
    command = [sys.executable, "-m", "ops.bench", "--json", str(folder / "bench.json"), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, list[dict[str, object]]] = json.loads((folder / "bench.json").read_text())
    return found


def test_a_short_run_measures_every_subject(tmp_path: Path) -> None:
    found = run_bench(tmp_path, "--rounds", "1", "--seconds", "0.2")
    measured = {(row["subject"], row["inflight"]) for row in found["rows"]}
    subjects = ("raw pipe", "Portero, everysec", "Portero, always")
    assert measured == {(subject, inflight) for subject in subjects for inflight in (1, 8, 32)}
    assert all("reached" in target for target in found["targets"])


def test_memory_is_watched_over_as_many_calls_as_asked(tmp_path: Path) -> None:
    found = run_bench(tmp_path, "--memory", "--calls", "300", "--seconds", "0.2")
    calls, rss = found["samples"][-1]
    assert int(calls) >= 300
    assert int(rss) > 10_000_000


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":10000000,"result":{"content":[{"type":"text","text":"  c01-0000000000"}]}}',
        b'{"jsonrpc":"2.0","id":10000001,"result":{"content":[{"type":"text","text":"  c00-0000000000"}]}}',
        b'{"id":10000000,"result":{"content":[{"type":"text","text":"  c00-0000000000"}],"isError":true}}',
        b'{"jsonrpc":"2.0","id":10000000,"error":{"code":4503,"message":"no log"}}',
        b"<html>",
    ],
    ids=["another caller's", "another id", "an error of the tool", "an error", "no JSON"],
)
def test_a_wrong_answer_is_noticed(body: bytes) -> None:
    caller = client.Caller("c00", "echo")
    caller.body()
    caller.check(body)
    assert caller.wrong


def test_a_right_answer_is_right() -> None:
    caller = client.Caller("c00", "echo")
    sent = json.loads(caller.body())
    text = sent["params"]["arguments"]["text"]
    caller.check(json.dumps({"id": sent["id"], "result": {"content": [{"type": "text", "text": text}]}}).encode())
    assert caller.wrong == []


def test_targets_tell_reached_from_missed() -> None:
    assert report.Target("calls", 12, 10, at_least=True).reached
    assert not report.Target("calls", 9, 10, at_least=True).reached
    assert report.Target("ms", 0.9, 1).reached
    assert not report.Target("ms", 1.1, 1).reached


def test_rows_are_medians_over_the_rounds() -> None:
    loads = [client.Load(calls, 1.0, p50, 2.0, []) for calls, p50 in ((100, 1.0), (300, 3.0), (200, 2.0))]
    [row] = report.rows({("x", 1): [Sample(load, {"gateway": load.p50}) for load in loads]})
    assert (row.rate, row.p50, row.cpu) == (200, 2.0, {"gateway": 2.0})
