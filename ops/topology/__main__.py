"""``python -m ops.topology``: the services of compose.yml on this machine, until Ctrl-C."""

import argparse
import signal
import sys
from pathlib import Path

from ops.topology.cluster import Cluster, NotUp, cluster
from ops.topology.plan import Missing


class Stop(BaseException):
    """Ctrl-C, or SIGTERM: once, so that the end is not interrupted in its turn."""


def stop(*_: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise Stop


def say(running: Cluster) -> None:
    print(
        f"Portero    {running.url}/mcp",
        f"  token    {running.token}",
        *(f"  replica  http://{replica.address} (process {replica.process.pid})" for replica in running.replicas),
        f"Store      {running.store}",
        f"Prometheus {running.prometheus}",
        "Stop it with Ctrl-C.",
        sep="\n",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ops.topology", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("data/cluster"), help="what is kept and said goes there")
    parser.add_argument("--port", type=int, help="the balancer's (as in compose.yml)")
    parser.add_argument("--prometheus-port", type=int, default=9090)
    parser.add_argument("--scrape", metavar="TIME", help="how often Prometheus looks, such as 1s (as in its file)")
    given = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        folder, port, prometheus = given.folder.resolve(), given.port, given.prometheus_port
        with cluster(folder, port=port, prometheus_port=prometheus, scrape=given.scrape) as running:
            say(running)
            signal.pause()
    except Stop:
        return 0
    except (NotUp, Missing) as error:
        print(error, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
