"""Alert rules and dashboard, tried on the real Prometheus with the metrics that Portero really has."""

import http.server
import json
import re
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from portero import telemetry
from tests.packaging.tools import ROOT, free_port, program, wait_until

RULES = ROOT / "ops" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "ops" / "grafana" / "dashboards" / "portero.json"


def panels() -> list[dict[str, Any]]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def expressions() -> dict[str, str]:
    """Every expression of rules and dashboard by its alert or panel, the dashboard's variables filled in."""
    alerts = {rule["alert"]: rule["expr"] for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]}
    shown = {panel["title"]: target["expr"] for panel in panels() for target in panel["targets"]}
    filled = {name: expr.replace("$instance", ".*").replace("$__rate_interval", "1m") for name, expr in shown.items()}
    return alerts | filled


def metrics_in(expression: str) -> set[str]:
    return {re.sub(r"_(total|bucket)$", "", name) for name in re.findall(r"\bportero_\w+", expression)}


def test_every_expression_names_metrics_that_exist() -> None:
    known = set(telemetry.metric_names())
    assert {name: metrics_in(expr) - known for name, expr in expressions().items() if metrics_in(expr) - known} == {}


def test_no_metric_is_left_without_a_panel() -> None:
    shown = set().union(*(metrics_in(expr) for expr in expressions().values()))
    assert set(telemetry.metric_names()) <= shown


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_alert_has_its_section_in_the_runbook() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "ops" / "RUNBOOK.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for rule in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]:
        path, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert path == "ops/RUNBOOK.md"
        assert anchor in anchors, rule["alert"]


def test_alerts_fire_when_they_must(tmp_path: Path) -> None:
    (tmp_path / "alerts.yml").write_text(RULES.read_text())
    (tmp_path / "alerts.test.yml").write_text((Path(__file__).parent / "alerts.test.yml").read_text())
    command = [program("promtool"), "test", "rules", "alerts.test.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_is_valid() -> None:
    command = [program("promtool"), "check", "config", "ops/prometheus/prometheus.yml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class Metrics(http.server.BaseHTTPRequestHandler):
    """A replica with a little of everything to show."""

    def do_GET(self) -> None:
        telemetry.count_call("github", "allow", "ok")
        telemetry.count_call("github", "allow", "error")
        telemetry.count_call("github", "allow", "unknown")
        telemetry.APPENDS_WRITTEN.inc(2)
        telemetry.APPENDS_FAILED.inc()
        telemetry.EVENTS_APPENDED.inc(4)
        telemetry.REFUSED_REQUESTS.labels("unauthorized").inc()
        telemetry.HANDLER_ERRORS.labels("notification").inc()
        for part in (telemetry.GATEWAY_SECONDS, telemetry.LOG_SECONDS, telemetry.UPSTREAM_SECONDS):
            part.observe(0.002)
        telemetry.SEGMENTS_ARCHIVED.inc()
        telemetry.ARCHIVE_ERRORS.inc()
        upstreams = (telemetry.UpstreamSample("github", "crash-loop", 3),)
        body = telemetry.render(telemetry.Sample(ready=True, lag=2, sequence=40, pending=1, upstreams=upstreams))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes are not worth a line."""


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    """A real Prometheus that scrapes the metrics five times a second; its address."""
    replica = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metrics)
    thread = threading.Thread(target=replica.serve_forever)
    thread.start()
    scrape = {"job_name": "portero", "static_configs": [{"targets": [f"127.0.0.1:{replica.server_port}"]}]}
    config = {"global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"}, "scrape_configs": [scrape]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    options = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address={address}"]
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen([program("prometheus"), *options], cwd=tmp_path, stdout=output, stderr=output)
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(20)
        replica.shutdown()
        thread.join()
        replica.server_close()


def query(address: str, expression: str) -> list[Any]:
    url = f"{address}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - on the loopback
            found: list[Any] = json.load(answer)["data"]["result"]
            return found
    except urllib.error.HTTPError as error:
        if error.code == 503:  # it listens, and is not ready
            return []
        raise AssertionError(f"{expression}: {error.read().decode()}") from error
    except OSError:  # not up yet
        return []


def test_every_panel_shows_something_on_a_real_prometheus(prometheus: str) -> None:
    wait_until(lambda: query(prometheus, "rate(portero_calls_total[1m]) > 0"), "the metrics were scraped twice")
    titles = {panel["title"] for panel in panels()}
    assert [name for name, expr in expressions().items() if name in titles and not query(prometheus, expr)] == []
