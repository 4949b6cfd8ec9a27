"""What compose.yml says, as values, and its files with the addresses of one machine in them: nothing is said twice."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import yaml

ROOT: Final = Path(__file__).parents[2]
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


class Missing(Exception):
    """compose.yml wants a variable that is not set; the text is what it says about it."""


@attrs.frozen
class Plan:
    """``environment`` is that of a replica, with the store's address as compose.yml has it.

    ``store_config``, ``balancer`` and ``scrapes`` are the contents of ops/redis.conf, ops/haproxy.cfg and
    ops/prometheus/prometheus.yml; ``rules``: the file beside the last.
    """

    replicas: int
    environment: Mapping[str, str]
    port: int
    grace: float
    store: Path
    balancer: str
    scrapes: Mapping[str, Any]
    rules: Path


def plan(environ: Mapping[str, str], root: Path = ROOT) -> Plan:
    """Raises Missing."""
    services: Any = yaml.safe_load((root / "compose.yml").read_text())["services"]
    replica, prometheus = services["portero"], _mounted(services["prometheus"], root)
    (balancer,), (store,) = _mounted(services["balancer"], root), _mounted(services["redis"], root)
    given = {name: filled(str(value), environ) for name, value in replica["environment"].items()}
    return Plan(
        replicas=int(replica["deploy"]["replicas"]),
        environment=given,
        port=int(services["balancer"]["ports"][0].rpartition(":")[2]),
        grace=60.0 * float(replica["stop_grace_period"].removesuffix("m")),
        store=store,
        balancer=balancer.read_text(),
        scrapes=yaml.safe_load((prometheus[0] / "prometheus.yml").read_text()),
        rules=prometheus[0] / "alerts.yml",
    )


def filled(text: str, environ: Mapping[str, str]) -> str:
    """``${NAME}``, ``${NAME:-otherwise}`` and ``${NAME:?why it is needed}``, as compose reads them."""

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        if given := environ.get(name):
            return given
        if kind == "?":
            raise Missing(f"{name}: {rest}")
        return rest or ""

    return _VARIABLE.sub(value, text)


def _mounted(service: Mapping[str, Any], root: Path) -> list[Path]:
    """The files and folders of the checkout that a service sees."""
    sources = (volume.partition(":")[0] for volume in service["volumes"])
    return [root / source for source in sources if source.startswith("./")]


def balancer_here(config: str, bind: str, replicas: Sequence[str]) -> str:
    """The balancer's configuration with addresses in place of the names that only containers can look up."""
    lines = []
    resolving = False
    for line in config.splitlines():
        resolving = line.startswith("resolvers ") or (resolving and line.startswith("  "))
        words = line.split()
        if resolving:
            continue
        if words[:1] == ["bind"]:
            lines.append(f"  bind {bind}")
        elif words[:1] == ["server-template"]:
            lines += [f"  server {words[1]}{number} {address}" for number, address in enumerate(replicas, 1)]
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def scrapes_here(
    config: Mapping[str, Any], rules: Path, replicas: Sequence[str], every: str | None = None
) -> dict[str, Any]:
    """Prometheus's configuration, in the same way. ``every``: how often it looks, where that shall be otherwise."""
    jobs = [
        {name: value for name, value in job.items() if name != "dns_sd_configs"}
        | {"static_configs": [{"targets": list(replicas)}]}
        for job in config["scrape_configs"]
    ]
    timing = config["global"] | ({"scrape_interval": every, "scrape_timeout": every} if every else {})
    return {**config, "global": timing, "rule_files": [str(rules)], "scrape_configs": jobs}
