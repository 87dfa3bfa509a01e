"""Sends spans to an OTLP/HTTP collector. Needs the extra `otel`, and is imported only when a collector is set.

The SDK reads the standard OTEL_* variables itself: endpoint, headers, sampler, limits, resource.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from typing import Final

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

_FLUSH_SECONDS: Final = 2.0  # a collector that does not answer must not hold up the exit


@contextlib.asynccontextmanager
async def exporting(version: str) -> AsyncIterator[None]:
    """Export every span of the process until the block is left; then send what waits, for two seconds at most.

    Spans wait in a queue of bounded length and are sent by a thread of their own: a collector that is slow or gone
    costs spans, never time.
    """
    provider = TracerProvider(resource=Resource.create({"service.version": version}), shutdown_on_exit=False)
    batches = BatchSpanProcessor(OTLPSpanExporter())
    provider.add_span_processor(batches)
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        last = threading.Thread(target=batches.shutdown, name="otlp-flush", daemon=True)
        last.start()
        await asyncio.to_thread(last.join, _FLUSH_SECONDS)
