"""Starts the services one after the other, each when what it needs is up, and ends them in the opposite order."""

import os
import secrets
import shutil
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Final

import attrs
import redis
import yaml

from ops.processes import free_port, running
from ops.topology.plan import ROOT, Plan, balancer_here, plan, scrapes_here
from portero.settings.environment import with_dotenv

TOOLS: Final = ROOT / ".tools"
START_SECONDS: Final = 60.0
KEPT: Final = ("PATH", "HOME", "LANG", "TMPDIR")


class NotUp(Exception):
    """A service did not get ready; the text says which, and the end of what it said."""


@attrs.frozen
class Replica:
    """``address`` is host:port."""

    address: str
    process: Popen[bytes]
    log: Path


@attrs.frozen
class Cluster:
    """``url`` is the balancer's; ``store`` what a command line needs as REDIS_URL to join in."""

    url: str
    token: str
    replicas: list[Replica]
    store: str
    prometheus: str


@contextmanager
def cluster(
    folder: Path, *, port: int | None = None, prometheus_port: int = 9090, scrape: str | None = None
) -> Iterator[Cluster]:
    """Two replicas, the store, the balancer and Prometheus; what they keep and say is in ``folder``.

    ``port``: the balancer's; ``scrape``: how often Prometheus looks, such as 1s; both as in the shared files when None.
    The environment and ``.env`` fill in what compose.yml leaves open. Raises NotUp, or Missing for a variable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    environ = with_dotenv(os.environ, Path.cwd(), [])
    token = environ.get("BEARER_TOKEN") or secrets.token_urlsafe(24)
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    services = _Services(folder, plan({**environ, "BEARER_TOKEN": token}), kept)
    with ExitStack() as stack:
        store = stack.enter_context(services.store())
        numbers = range(1, services.plan.replicas + 1)
        replicas = [stack.enter_context(services.replica(number, store)) for number in numbers]
        for replica in replicas:
            _until_up(f"http://{replica.address}/ready", replica.process, replica.log)
        addresses = [replica.address for replica in replicas]
        url = stack.enter_context(services.balancer(addresses, port or services.plan.port))
        prometheus = stack.enter_context(services.prometheus(addresses, prometheus_port, scrape))
        yield Cluster(url, token, replicas, f"redis://{store}/0", prometheus)


@attrs.frozen
class _Services:
    """Each runs as long as its block. ``environ``: what all of them get."""

    folder: Path
    plan: Plan
    environ: Mapping[str, str]

    @contextmanager
    def store(self) -> Iterator[str]:
        """Its host:port."""
        data, log, port = self.folder / "redis", self.folder / "redis.log", free_port()
        data.mkdir(exist_ok=True)
        options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(data)]
        command = [program("redis-server"), str(self.plan.store), *options]
        with running(command, self.folder, self.environ, name=log.name) as process:
            deadline = time.monotonic() + START_SECONDS
            with redis.Redis(port=port) as client:
                while not _answers(client):
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise NotUp(_said("the store", log))
                    time.sleep(0.02)
            yield f"127.0.0.1:{port}"

    @contextmanager
    def replica(self, number: int, store: str) -> Iterator[Replica]:
        given, port = self.plan.environment, free_port()
        environ = {
            **self.environ,
            **given,
            "REDIS_URL": given["REDIS_URL"].replace("redis:6379", store),
            "PORTERO_ARCHIVE": given["PORTERO_ARCHIVE"].replace("/app", str(self.folder)),
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "PORTERO_CONFIG_DIR": str(ROOT / "config"),
            "PORTERO_DATA_DIR": str(self.folder / f"data{number}"),
        }
        log = self.folder / f"replica{number}.log"
        command = [sys.executable, "-m", "portero", "serve"]
        with running(command, self.folder, environ, name=log.name, grace=self.plan.grace) as process:
            yield Replica(f"127.0.0.1:{port}", process, log)

    @contextmanager
    def balancer(self, replicas: list[str], port: int) -> Iterator[str]:
        """Its address."""
        config, log = self.folder / "haproxy.cfg", self.folder / "haproxy.log"
        config.write_text(balancer_here(self.plan.balancer, f"127.0.0.1:{port}", replicas))
        libraries = ":".join(str(path) for path in (TOOLS / "haproxy" / "usr" / "lib").glob("*-linux-gnu"))
        environ = {**self.environ, "LD_LIBRARY_PATH": libraries}
        with running([program("haproxy"), "-db", "-f", str(config)], self.folder, environ, name=log.name) as process:
            _until_up(f"http://127.0.0.1:{port}/ready", process, log)
            yield f"http://127.0.0.1:{port}"

    @contextmanager
    def prometheus(self, replicas: list[str], port: int, scrape: str | None) -> Iterator[str]:
        """Its address."""
        config, log = self.folder / "prometheus.yml", self.folder / "prometheus.log"
        config.write_text(yaml.safe_dump(scrapes_here(self.plan.scrapes, self.plan.rules, replicas, scrape)))
        data, listen = self.folder / "prometheus", f"127.0.0.1:{port}"
        options = [f"--config.file={config}", f"--storage.tsdb.path={data}", f"--web.listen-address={listen}"]
        with running([program("prometheus"), *options], self.folder, self.environ, name=log.name) as process:
            _until_up(f"http://{listen}/-/ready", process, log)
            yield f"http://{listen}"


def program(name: str) -> str:
    """From the PATH, or from where ``make cluster`` unpacks it. Raises NotUp."""
    places = (TOOLS / "prometheus" / "usr" / "bin", TOOLS / "haproxy" / "usr" / "sbin")
    found = shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, places)))
    if found is None:
        raise NotUp(f"{name} is not installed. `make cluster` gets it.")
    return found


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False


def _until_up(url: str, process: Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - on the loopback
                return
        except OSError:
            time.sleep(0.05)
    raise NotUp(_said(url, log))


def _said(what: str, log: Path) -> str:
    return f"{what} does not answer. The end of {log}:\n{log.read_text(errors='replace')[-2000:]}"
