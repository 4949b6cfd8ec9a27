"""Spans, which cost one attribute look-up each until an exporter is configured."""

import contextlib
import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from portero.errors import ConfigError

SPAN_CALL: Final = "portero.call"
SPAN_APPEND: Final = "portero.log.append"
SPAN_UPSTREAM: Final = "portero.upstream.request"
SPAN_NOTIFY: Final = "portero.notify"

_PROPAGATOR: Final = TraceContextTextMapPropagator()


class _Tracing:
    """Holds the tracer, once an exporter is configured; until then a span costs one attribute look-up."""

    tracer: Tracer | None = None


def tracing() -> bool:
    return _Tracing.tracer is not None


def start_tracing(exporter: SpanExporter, *, replica: str, version: str) -> Callable[[], None]:
    """Sends spans to ``exporter`` from now on; returns what flushes and ends it."""
    resource = Resource.create({"service.name": "portero", "service.version": version, "service.instance.id": replica})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _Tracing.tracer = provider.get_tracer("portero", version)

    def stop() -> None:
        _Tracing.tracer = None
        provider.shutdown()

    return stop


def exporter_from(environ: Mapping[str, str]) -> SpanExporter | None:
    """The OTLP exporter that the variables ``OTEL_EXPORTER_OTLP_(TRACES_)ENDPOINT`` ask for; None if neither is set."""
    if not (environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        return None
    try:
        module = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError as missing:
        raise ConfigError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but the exporter is not installed. "
            "Install it with `pip install opentelemetry-exporter-otlp-proto-http`, or unset the variable."
        ) from missing
    exporter: SpanExporter = module.OTLPSpanExporter()
    return exporter


@contextlib.contextmanager
def _traced(
    tracer: Tracer, name: str, parent: str | None, attributes: Mapping[str, Any], kind: SpanKind
) -> Iterator[Span]:
    context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
    with tracer.start_as_current_span(name, context, kind, attributes) as span:
        yield span


def span(
    name: str,
    *,
    parent: str | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, Any] | None = None,
) -> contextlib.AbstractContextManager[Span | None]:
    """A span around a block of work; None inside when no exporter is configured. ``parent`` is a traceparent."""
    tracer = _Tracing.tracer
    if tracer is None:
        return contextlib.nullcontext()
    return _traced(tracer, name, parent, attributes or {}, kind)


def traceparent() -> str | None:
    """The W3C traceparent of the span we are in, to be handed on; None outside of any."""
    if _Tracing.tracer is None or not trace.get_current_span().get_span_context().is_valid:
        return None
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")
