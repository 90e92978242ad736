"""A traced click, its trigger and its span: a real worker on a real Kafka, and a receiver of OTLP."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.shop import START, Shop
from tests.kit.kafka import consume_all, produce
from tests.kit.patience import eventually

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Receiver(ThreadingHTTPServer):
    """What an OpenTelemetry collector is to a worker."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Any] = []
        self.services: set[str] = set()

    def take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.services |= {
                each.value.string_value for each in resource.resource.attributes if each.key == "service.name"
            }
            for scope in resource.scope_spans:
                self.spans += scope.spans


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        self.server.take(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with Receiver() as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server
        server.shutdown()
        thread.join()


def click(
    shop: Shop, customer: int, flags: str | None
) -> tuple[int, bytes, bytes, int, list[tuple[str, bytes]]]:
    number, key, value, at, _ = shop.click(customer, "view", START)
    headers = [] if flags is None else [("traceparent", f"00-{TRACE}-{SPAN}-{flags}".encode())]
    return number, key, value, at, headers


def traceparents(shop: Shop) -> dict[str, tuple[str, str | None]]:
    """The trigger's id and its `traceparent`, by customer."""
    found = {}
    for record in consume_all(shop.bootstrap, [shop.web]):
        headers = {name: value.decode() for name, value in record.headers}
        found[headers["ce_subject"]] = (headers["ce_id"], headers.get("traceparent"))
    return found


def test_a_traced_click_leads_to_a_linked_span(shop: Shop, receiver: Receiver) -> None:
    produce(
        shop.bootstrap, shop.clicks, [click(shop, n, flags) for n, flags in enumerate(["01", "00", None])]
    )
    with shop.worker(trace_share="1") as worker:
        worker.until_caught_up(shop.sources)
        eventually(lambda: receiver.spans, "a span")
        assert worker.stop() == 0, worker.log
    found = traceparents(shop)
    trigger_id, traceparent = found["c0"]
    assert traceparent == f"00-{trigger_id}-{trigger_id[:16]}-01"
    assert [found[f"c{n}"][1] for n in (1, 2)] == [None, None]
    (span,) = receiver.spans
    assert (span.trace_id.hex(), span.span_id.hex()) == (trigger_id, trigger_id[:16])
    assert span.parent_span_id == b""
    (link,) = span.links
    assert (link.trace_id.hex(), link.span_id.hex()) == (TRACE, SPAN)
    assert span.end_time_unix_nano >= span.start_time_unix_nano == START * 10**6
    said = {each.key: each.value.string_value for each in span.attributes}
    assert (said["messaging.destination.name"], said["stream.rule"]) == (shop.web, "every-view")
    assert "c0" not in said.values()
    assert receiver.services == {shop.prefix}


def test_a_receiver_that_is_away_holds_nothing_up(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    produce(shop.bootstrap, shop.clicks, [click(shop, n, "01") for n in range(4)])
    with shop.worker(trace_share="1") as worker:
        worker.until_caught_up(shop.sources)
        assert worker.stop() == 0, worker.log
    assert all(traceparent for _, traceparent in traceparents(shop).values())
