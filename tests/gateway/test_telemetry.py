"""What Portero says of itself: spans for who wants them, lines without secrets, numbers."""

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
import structlog
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from portero import telemetry
from portero.domain.replacement import Entry, Replacer
from portero.errors import ConfigError
from portero.telemetry import Sample, UpstreamSample
from portero.telemetry.logs import configure_logging
from tests.gateway.house import open_house

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


# --- spans ----------------------------------------------------------------------------------------------------------


def test_without_an_exporter_there_are_no_spans() -> None:
    assert not telemetry.tracing()
    with telemetry.span("anything", attributes={"a": 1}) as span:
        assert span is None
    assert telemetry.traceparent() is None


async def test_a_call_is_a_span_under_its_clients_own() -> None:
    exporter = InMemorySpanExporter()
    stop = telemetry.start_tracing(exporter, replica="r1", version="1")
    try:
        async with open_house() as house, house.caller(modern=True) as caller:
            params = {"name": "fixture/echo", "arguments": {"text": "x"}, "_meta": {"traceparent": PARENT}}
            await caller.rpc("tools/call", params)
            (call,) = house.view.calls._ended.values()
    finally:
        stop()
    (span,) = [span for span in exporter.get_finished_spans() if span.name == telemetry.SPAN_CALL]
    assert span.attributes == {"portero.tool": "fixture/echo"}
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}-{span.parent.span_id:016x}" in PARENT
    assert call.trace == f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01"
    assert span.resource.attributes["service.instance.id"] == "r1"
    assert not telemetry.tracing()


async def test_a_span_names_no_real_value() -> None:
    exporter = InMemorySpanExporter()
    stop = telemetry.start_tracing(exporter, replica="r1", version="1")
    try:
        replacer = Replacer.from_entries([Entry("NAME", "Tessa")])
        async with open_house(replacer=replacer) as house, house.caller(modern=True) as caller:
            await caller.rpc("resources/read", {"uri": "made://Tessa/notes"})
    finally:
        stop()
    (span,) = [span for span in exporter.get_finished_spans() if span.name == telemetry.SPAN_CALL]
    assert span.attributes == {"portero.tool": "fixture/resource:made://NAME/notes"}


@pytest.mark.parametrize("trace", ["nonsense", "", 7, None, {"a": 1}])
async def test_an_odd_traceparent_is_passed_over(trace: object) -> None:
    exporter = InMemorySpanExporter()
    stop = telemetry.start_tracing(exporter, replica="r1", version="1")
    try:
        async with open_house() as house, house.caller(modern=True) as caller:
            await caller.rpc(
                "tools/call", {"name": "fixture/echo", "arguments": {"text": "x"}, "_meta": {"traceparent": trace}}
            )
    finally:
        stop()
    (span,) = [span for span in exporter.get_finished_spans() if span.name == telemetry.SPAN_CALL]
    assert span.parent is None


@pytest.mark.parametrize(
    ("sent", "kept"), [(PARENT, PARENT), (f"{PARENT}-more", None), ("x" * 100_000, None), ("Tessa", None)]
)
@pytest.mark.parametrize("where", ["_meta", "header"])
async def test_only_what_is_a_traceparent_reaches_the_log(sent: str, kept: str | None, where: str) -> None:
    """Anything else is a client's own text: of any length, and perhaps what must not be kept."""
    async with open_house() as house, house.caller(modern=True) as caller:
        meta = {"_meta": {"traceparent": sent}} if where == "_meta" else {}
        headers = {"traceparent": sent[:9_000]} if where == "header" else {}
        params = {"name": "fixture/echo", "arguments": {"text": "x"}, **meta}
        assert (await caller.post("tools/call", params, **headers)).status_code == 200
        (call,) = house.view.calls._ended.values()
        assert call.trace == kept
        events = [event async for batch in house.log.read() for event in batch]
        assert {event.meta.trace for event in events if event.aggregate == f"call/{call.id}"} == {kept}


def test_an_exporter_that_is_not_installed_is_asked_for() -> None:
    assert telemetry.exporter_from({}) is None
    with pytest.raises(ConfigError, match="pip install"):
        telemetry.exporter_from({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})


# --- metrics --------------------------------------------------------------------------------------------------------


def test_an_upstream_that_is_gone_leaves_the_metrics() -> None:
    first = telemetry.render(Sample(True, 0, 0, 0, (UpstreamSample("gone", "lost", 3),))).decode()
    assert 'portero_upstream_failures{server="gone"} 3.0' in first
    assert 'portero_upstream_state{server="gone",state="lost"} 1.0' in first
    assert "gone" not in telemetry.render(Sample(True, 0, 0, 0, ())).decode()


def test_names_are_what_dashboards_can_rely_on() -> None:
    names = telemetry.metric_names()
    assert all(re.fullmatch(r"portero_[a-z_]+", name) for name in names)
    assert {"portero_calls", "portero_call_seconds", "portero_follower_lag_events", "portero_upstream_state"} <= set(
        names
    )


# --- log lines ------------------------------------------------------------------------------------------------------


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("info", lambda text: text.replace("Alice", "NAME").replace("s3cret", "•••"), stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_every_line_is_json_without_secrets(lines: io.StringIO) -> None:
    logger = structlog.get_logger("portero.test")
    logger.info("Alice called", token="s3cret", deep={"Alice": ["s3cret", 7, None]}, path=["x", ("Alice",)], n=1.5)
    (line,) = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "NAME called",
        "token": "•••",
        "deep": {"NAME": ["•••", 7, None]},
        "path": ["x", ["NAME"]],
        "n": 1.5,
        "level": "info",
        "logger": "portero.test",
    }


def test_tracebacks_are_scrubbed_and_show_no_values(lines: io.StringIO) -> None:
    def fail(password: str) -> None:
        raise ValueError(f"wrong for {'Alice'}")

    try:
        fail("hunter2-in-a-local")
    except ValueError:
        structlog.get_logger("portero.test").exception("it failed")
    text = lines.getvalue()
    assert "ValueError: wrong for NAME" in text
    assert "Alice called" not in text
    assert "NAME" in text
    assert "password = " not in text


def test_libraries_are_heard_and_scrubbed_too(lines: io.StringIO) -> None:
    logging.getLogger("some.library").warning("Alice has %s", "s3cret")
    logging.getLogger("httpx").info("GET http://s3cret/")
    (line,) = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert (line["event"], line["level"], line["logger"]) == ("NAME has •••", "warning", "some.library")


def test_the_level_holds(lines: io.StringIO) -> None:
    structlog.get_logger("portero.test").debug("quiet")
    assert lines.getvalue() == ""
