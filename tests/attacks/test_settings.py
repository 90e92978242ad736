"""What may stand in the environment: a wrong value is named with its setting, in short, and no secret is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from stream.errors import SettingsError
from stream.settings import load

SECRET = "correct-horse-battery"
WRONG: Mapping[str, Mapping[str, str]] = {
    "a long value": {"STREAM_BROKER": "x" * 80_000},
    "escapes": {"STREAM_APP_ID": "\x1b[2Jshop"},
    "a name with a blank": {"STREAM_APP_ID": "my shop"},
    "a number that is none": {"STREAM_PORT": "eight"},
    "a number beyond all": {"STREAM_PORT": "9" * 5_000},
    "a negative number": {"STREAM_SESSION_TIMEOUT": "-1"},
    "not a number": {"STREAM_SESSION_TIMEOUT": "nan"},
    "endless": {"STREAM_SESSION_TIMEOUT": "inf"},
    "an unknown name": {"STREAM_BROKRE": "kafka:9092"},
    "an unknown choice": {"STREAM_STORE": "postgres"},
    "a secret where none belongs": {"STREAM_STORE": SECRET, "STREAM_SASL_PASSWORD": SECRET},
}


@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG)
def test_a_wrong_setting_is_named_in_short(given: Mapping[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load({"STREAM_APP_ID": "shop", **given}, {}, env_file=None)
    said = str(caught.value)
    assert any(name in said for name in given)
    assert len(said) < 2_000
    assert all(line.isprintable() for line in said.splitlines())
    assert SECRET not in said or given["STREAM_STORE"] == SECRET


def test_a_secret_in_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "password"
    os.mkfifo(pipe)
    with pytest.raises(SettingsError, match="STREAM_SASL_PASSWORD_FILE"):
        load({"STREAM_APP_ID": "shop", "STREAM_SASL_PASSWORD_FILE": str(pipe)}, {}, env_file=None)
