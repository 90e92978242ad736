"""Logs: one pipe, one line each, nothing of a customer."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from stream import logs


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in logs.LIBRARIES:
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_machine_reads_one_object_a_line() -> None:
    stream = io.StringIO()
    logs.configure(stream=stream)
    structlog.stdlib.get_logger("stream.lane").info("batch_applied", events=3, path="a\nb")
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "message": "batch_applied",
        "level": "info",
        "logger": "stream.lane",
        "events": 3,
        "path": "a\nb",
    }


def test_libraries_come_the_same_way_from_warning_upwards() -> None:
    stream = io.StringIO()
    logs.configure("INFO", stream=stream)
    for name in logs.LIBRARIES:
        logging.getLogger(f"{name}.part").info("chatter")
        logging.getLogger(f"{name}.part").warning("lost %s", name, extra={"node": 1})
    assert [(each["logger"], each["message"], each["node"]) for each in lines(stream)] == [
        (f"{name}.part", f"lost {name}", 1) for name in logs.LIBRARIES
    ]


def test_libraries_are_not_louder_than_we_are() -> None:
    stream = io.StringIO()
    logs.configure("ERROR", stream=stream)
    logging.getLogger("aiokafka").warning("lost")
    structlog.stdlib.get_logger("stream").warning("lost")
    logging.getLogger("aiokafka").error("broken")
    assert [each["message"] for each in lines(stream)] == ["broken"]


def test_a_librarys_own_handlers_are_taken_off() -> None:
    stream, own = io.StringIO(), io.StringIO()
    library = logging.getLogger("faust")
    library.addHandler(logging.StreamHandler(own))
    library.propagate = False
    logs.configure(stream=stream)
    library.error("once")
    assert [each["message"] for each in lines(stream)] == ["once"]
    assert own.getvalue() == ""


def test_configuring_twice_does_not_say_everything_twice() -> None:
    first, second = io.StringIO(), io.StringIO()
    logs.configure(stream=first)
    log = structlog.stdlib.get_logger("stream")
    log.info("one")
    logs.configure("DEBUG", stream=second)
    log.debug("two")
    logging.getLogger("stream").info("three")
    assert [each["message"] for each in lines(first)] == ["one"]
    assert [each["message"] for each in lines(second)] == ["two", "three"]


def test_the_level_is_kept() -> None:
    stream = io.StringIO()
    logs.configure("WARNING", stream=stream)
    structlog.stdlib.get_logger("stream").info("quiet")
    assert stream.getvalue() == ""


def test_standard_error_is_where_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    structlog.stdlib.get_logger("stream").info("hello")
    logging.getLogger("mode").error("hello")
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 2


@pytest.mark.parametrize(
    ("stream", "fmt", "as_json"),
    [
        (io.StringIO, "auto", True),
        (Terminal, "auto", False),
        (Terminal, "json", True),
        (io.StringIO, "text", False),
    ],
)
def test_people_get_text_and_machines_json(stream: type[io.StringIO], fmt: Any, as_json: bool) -> None:
    out = stream()
    logs.configure(fmt=fmt, stream=out)
    structlog.stdlib.get_logger("stream").info("ready", partitions=8)
    logging.getLogger("mode").error("hello")
    assert out.getvalue().startswith("{") == as_json
    assert len(out.getvalue().splitlines()) == 2
    assert "ready" in out.getvalue()
    assert ("\x1b[" in out.getvalue()) == (stream is Terminal and not as_json)


@pytest.mark.parametrize("fmt", ["json", "text"])
@pytest.mark.parametrize("logger", [structlog.stdlib.get_logger("stream"), logging.getLogger("faust")])
def test_a_traceback_does_not_show_the_events_in_local_variables(fmt: Any, logger: Any) -> None:
    stream = Terminal()
    logs.configure(fmt=fmt, stream=stream)
    event = {"customer_id": "-".join(["zoe", "1"])}
    try:
        event["absent"]
    except KeyError:
        logger.exception("failed")
    assert "Traceback" in stream.getvalue()
    assert "KeyError" in stream.getvalue()
    assert "zoe-1" not in stream.getvalue()
    if fmt == "json":
        assert len(lines(stream)) == 1


def test_a_process_says_everything_in_the_log() -> None:
    code = (
        "import warnings; from stream import logs; logs.configure(); warnings.warn('old ways', stacklevel=1)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert ended.stdout == ""
    (line,) = lines(io.StringIO(ended.stderr))
    assert (line["logger"], line["level"]) == ("py.warnings", "warning")
    assert "old ways" in line["message"]


def test_what_is_bound_to_the_context_is_in_the_line() -> None:
    stream = io.StringIO()
    logs.configure(stream=stream)
    with structlog.contextvars.bound_contextvars(partition=3):
        structlog.stdlib.get_logger("stream").info("assigned")
        logging.getLogger("mode").error("broken")
    assert [each["partition"] for each in lines(stream)] == [3, 3]


def test_what_a_library_says_again_and_again_is_said_now_and_then() -> None:
    """Brokers that were away filled the disk with thirty lines a second."""
    now = [0.0]
    repeats = logs.Repeats(("aiokafka",), lambda: now[0])

    def passes(name: str, message: str, number: int) -> bool:
        record = logging.LogRecord(name, logging.ERROR, __file__, 1, message, (number,), None)
        passed = repeats.filter(record)
        left_out.append(getattr(record, "left_out", 0))
        return passed

    left_out: list[int] = []
    assert [passes("aiokafka.client", "no node %d", n) for n in range(3)] == [True, False, False]
    assert passes("aiokafka.client", "something else %d", 1)
    assert all(passes("stream.lane", "ours %d", n) for n in range(3))
    now[0] = logs.REPEAT_S
    assert passes("aiokafka.client", "no node %d", 4)
    assert left_out[-1] == 2
