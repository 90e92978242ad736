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

from stream.telemetry import log_limits, logs


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
    for name in (*logs.LIBRARIES, "stream"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def our_handler() -> logs.LogHandler:
    (handler,) = (each for each in logging.getLogger().handlers if isinstance(each, logs.LogHandler))
    return handler


def say(name: str, message: str, *args: object) -> None:
    """Straight to the handler: pytest's own would fail the test over values that do not fit."""
    our_handler().handle(logging.LogRecord(name, logging.ERROR, __file__, 1, message, args, None))


def test_a_machine_reads_one_object_a_line() -> None:
    stream = io.StringIO()
    logs.configure(stream=stream)
    structlog.stdlib.get_logger("stream.lane").info("restored", records=3, reason="a\nb")
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "message": "restored",
        "level": "info",
        "logger": "stream.lane",
        "records": 3,
        "reason": "a\nb",
    }


def test_libraries_come_the_same_way_from_warning_upwards() -> None:
    stream = io.StringIO()
    logs.configure("INFO", stream=stream)
    for name in logs.LIBRARIES:
        logging.getLogger(f"{name}.part").info("chatter")
        logging.getLogger(f"{name}.part").warning("lost %s", name, extra={"partition": 1})
    assert [(each["logger"], each["message"], each["partition"]) for each in lines(stream)] == [
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
        "import warnings; from stream.telemetry import logs; logs.configure(); "
        "warnings.warn('old ways', stacklevel=1)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
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


def test_a_library_that_was_never_heard_of_is_kept_to_warnings_too() -> None:
    stream = io.StringIO()
    logs.configure("DEBUG", stream=stream)
    logging.getLogger("newcomer.part").debug("everything that there is")
    assert lines(stream) == []


def test_with_debug_libraries_are_heard_from_info_on_and_never_at_debug() -> None:
    """At DEBUG they write out the records that they send."""
    stream = io.StringIO()
    logs.configure("DEBUG", stream=stream)
    logging.getLogger("aiokafka.client").debug("sending %s", b"record")
    logging.getLogger("aiokafka.client").info("joined")
    structlog.stdlib.get_logger("stream").debug("checkpoint")
    assert [each["message"] for each in lines(stream)] == ["joined", "checkpoint"]


def test_the_level_changes_while_it_runs() -> None:
    stream = io.StringIO()
    logs.configure("WARNING", stream=stream)
    log = structlog.stdlib.get_logger("stream.lane")
    log.info("before")
    logs.set_level("INFO")
    log.info("after")
    logs.set_level("WARNING")
    log.info("again")
    assert [each["message"] for each in lines(stream)] == ["after"]


@pytest.mark.parametrize("fmt", ["json", "text"])
def test_a_field_that_is_not_on_the_list_does_not_get_out(fmt: Any) -> None:
    stream = io.StringIO()
    logs.configure(fmt=fmt, stream=stream)
    structlog.stdlib.get_logger("stream").info("restored", customer_id="zoe-1", records=2)
    logging.getLogger("mode").error("crashed", extra={"data": {"id": "zoe-1"}})
    with structlog.contextvars.bound_contextvars(customer="zoe-1"):
        logging.getLogger("faust").error("lost")
    assert "zoe-1" not in stream.getvalue()
    if fmt == "json":
        assert [each["refused"] for each in lines(stream)] == [["customer_id"], ["data"], ["customer"]]
        assert lines(stream)[0]["records"] == 2


def test_what_libraries_put_into_their_lines_is_no_record() -> None:
    stream = io.StringIO()
    logs.configure(stream=stream)
    library = logging.getLogger("aiokafka")
    library.error("cannot send %s to %r: %s", b"zoe-1", object(), KeyError("zoe-1"))
    library.error("no place for %(what)s", {"what": [b"zoe-1", {"id": b"zoe-1"}]})
    library.error(f"crashed with {ValueError(b'zoe-1')!r} for zoe@example.com")
    library.error("Task exception was never retrieved\nfuture: <Task exception=KeyError('zoe-1')>")
    say("aiokafka", "%d records", "zoe-1")
    assert "zoe" not in stream.getvalue()
    assert [each["message"] for each in lines(stream)] == [
        "cannot send <5 bytes> to '<object>': KeyError: (message withheld)",
        "no place for ['<5 bytes>', {'id': '<5 bytes>'}]",
        "crashed with ValueError(<bytes>) for <address>",
        "Task exception was never retrieved",
        "%d records (its values do not fit)",
    ]


def test_a_line_that_cannot_be_written_does_not_put_its_values_on_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = io.StringIO()
    logs.configure(stream=stream)
    say("stream", "%d records", "zoe-1")
    assert "zoe" not in stream.getvalue() + "".join(capsys.readouterr())
    assert lines(stream)[0]["message"] == "log_line_failed"


def test_what_was_left_out_is_told_even_if_it_is_not_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    logs.configure(stream=stream)
    now = [0.0]
    monkeypatch.setattr(our_handler().repeats, "_now", lambda: now[0])
    for number in range(5):
        logging.getLogger("aiokafka").error("no node %d", number)
    now[0] = log_limits.EVERY_S
    structlog.stdlib.get_logger("stream").info("ready")
    assert [(each["message"], each.get("left_out")) for each in lines(stream)] == [
        ("no node 0", None),
        ("no node 4", 4),
        ("ready", None),
    ]
