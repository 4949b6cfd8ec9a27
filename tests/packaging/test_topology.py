"""The cluster of compose.yml, on this machine and without containers: the same files, and it works."""

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml

from ops.topology.plan import Missing, balancer_here, filled, plan, scrapes_here
from tests.packaging.tools import ROOT, free_port, list_folder, wait_until

TOKEN = "a-token-for-tests-that-is-long-enough"
COMPOSE = yaml.safe_load((ROOT / "compose.yml").read_text())["services"]

# --- nothing is said twice --------------------------------------------------------------------------------------------


def test_the_balancer_here_differs_by_its_addresses_alone() -> None:
    shared = (ROOT / "ops" / "haproxy.cfg").read_text()
    here = balancer_here(shared, "127.0.0.1:1", ["127.0.0.1:2", "127.0.0.1:3"])
    gone = set(shared.splitlines()) - set(here.splitlines())
    assert {line.split()[0] for line in gone} == {"bind", "server-template", "resolvers", "nameserver", "hold"}
    new = set(here.splitlines()) - set(shared.splitlines())
    assert new == {"  bind 127.0.0.1:1", "  server replica1 127.0.0.1:2", "  server replica2 127.0.0.1:3"}


def test_prometheus_here_differs_by_its_addresses_alone() -> None:
    shared = yaml.safe_load((ROOT / "ops" / "prometheus" / "prometheus.yml").read_text())
    here = scrapes_here(shared, Path("/rules/alerts.yml"), ["a:1", "b:2"])
    assert here["rule_files"] == ["/rules/alerts.yml"]
    (job,), (shared_job,) = here["scrape_configs"], shared["scrape_configs"]
    assert job.pop("static_configs") == [{"targets": ["a:1", "b:2"]}]
    assert job.items() <= shared_job.items()
    assert shared_job.keys() - job.keys() == {"dns_sd_configs"}
    assert here["global"] == shared["global"]


def test_a_replica_here_is_told_what_compose_tells_it() -> None:
    found = plan({"BEARER_TOKEN": TOKEN, "PORTERO_ALLOWED_HOSTS": "portero.example.com"})
    assert found.replicas == COMPOSE["portero"]["deploy"]["replicas"]
    assert found.environment.keys() == COMPOSE["portero"]["environment"].keys()
    assert found.environment["PORTERO_ALLOWED_HOSTS"] == "portero.example.com"
    assert found.store == ROOT / "ops" / "redis.conf"
    assert "redis:6379" in found.environment["REDIS_URL"], "the address that is put another in place of"
    assert found.environment["PORTERO_ARCHIVE"].startswith("/app/"), "and so is the folder"


def test_variables_are_filled_in_as_compose_does_it() -> None:
    assert filled("${A}-${B:-b}-${C:-c}", {"A": "1", "C": "3"}) == "1-b-3"
    with pytest.raises(Missing, match="BEARER_TOKEN: every replica needs the same one"):
        plan({})


def test_the_files_agree_on_their_ports() -> None:
    port = re.search(r"PORT=(\d+)", (ROOT / "Dockerfile").read_text())
    assert port
    balancer = (ROOT / "ops" / "haproxy.cfg").read_text()
    assert f"portero:{port[1]} " in balancer
    assert f"bind :{COMPOSE['balancer']['ports'][0].rpartition(':')[2]}" in balancer
    (job,) = yaml.safe_load((ROOT / "ops" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert str(job["dns_sd_configs"][0]["port"]) == port[1]


# --- it works ---------------------------------------------------------------------------------------------------------


@attrs.frozen
class Running:
    """The cluster as a person has it in a terminal. ``pids`` are the replicas'; ``kept``: its folder."""

    process: "subprocess.Popen[str]"
    port: int
    pids: list[int]
    prometheus: str
    said: list[str]
    kept: Path


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Running]:
    port, prometheus = free_port(), free_port()
    options = ["--folder", str(tmp_path / "kept"), "--port", str(port), "--prometheus-port", str(prometheus)]
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.topology", *options, "--scrape", "1s"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "BEARER_TOKEN": TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = []
    while "Ctrl-C" not in (line := process.stdout.readline()):
        said.append(line)
        assert process.poll() is None, "".join(said)
    pids = [int(found[1]) for line in said if (found := re.search(r"process (\d+)", line))]
    try:
        yield Running(process, port, pids, f"http://127.0.0.1:{prometheus}", said, tmp_path / "kept")
    finally:
        process.terminate()  # it ends what it has started
        process.wait(60)
        process.stdout.close()


def refused(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == errno.ECONNREFUSED


def up(prometheus: str) -> dict[str, str]:
    """Which replicas Prometheus has reached when it looked last: 1, or 0."""
    asked = urllib.parse.urlencode({"query": 'up{job="portero"}'})
    url = f"{prometheus}/api/v1/query?{asked}"
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - on the loopback
        found: Any = json.load(answer)["data"]["result"]
    return {each["metric"]["instance"]: each["value"][1] for each in found}


def test_calls_go_through_the_balancer_also_when_a_replica_is_killed(cluster: Running) -> None:
    addresses = re.findall(r"http://(127\.0\.0\.1:\d+) \(process", "".join(cluster.said))
    assert len(addresses) == 2
    assert list_folder(cluster.port, TOKEN)
    assert (cluster.kept / "archive").is_dir(), "what is kept lies in its folder, the archive too"
    wait_until(lambda: up(cluster.prometheus) == dict.fromkeys(addresses, "1"), "Prometheus has seen both replicas")
    os.kill(cluster.pids[0], signal.SIGKILL)
    wait_until(lambda: refused(addresses[0]), "nothing of it is left to take a request and lose it")
    for _ in range(10):
        assert list_folder(cluster.port, TOKEN), "a connection that is refused goes to the other replica"
    wait_until(lambda: up(cluster.prometheus)[addresses[0]] == "0", "Prometheus has missed the one that is gone")
    cluster.process.send_signal(signal.SIGINT)
    assert cluster.process.wait(60) == 0
    assert not Path(f"/proc/{cluster.pids[1]}").exists(), "the other replica has ended with the rest"
