"""Settings: where they come from, what is refused, and what is never shown."""

from __future__ import annotations

import os
import ssl
import subprocess
from pathlib import Path

import pytest

from deploy import settings_page
from stream.errors import SettingsError
from stream.kafka.connections import unreachable
from stream.settings import PRECEDENCE, Settings, load


def refused(env: dict[str, str], overrides: dict[str, object] | None = None, file: Path | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load(env, overrides or {}, file)
    assert caught.value.__cause__ is None  # pydantic's error holds the values as they were given
    return str(caught.value)


def test_defaults_are_those_that_are_documented() -> None:
    settings = load({}, {}, None)
    assert settings.broker == "127.0.0.1:9092"
    assert settings.app_id == "stream"
    assert settings.rules == Path("rules")
    assert (settings.store, settings.clock) == ("memory", "wall")
    assert (settings.http_host, settings.http_port) == ("0.0.0.0", 9464)
    assert (settings.commit_interval, settings.max_in_flight) == (1.0, 10_000)
    assert settings.replication is None
    assert settings.kafka_security() == {"security_protocol": "PLAINTEXT"}


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_page_is_what_the_class_says() -> None:
    """`make settings` writes it."""
    assert settings_page.PAGE.read_text(encoding="utf-8") == settings_page.page()
    shown = [name for group in settings_page.GROUPS for name in group.names]
    assert sorted(shown) == sorted(Settings.model_fields)
    readme = (settings_page.PAGE.parents[1] / "README.md").read_text(encoding="utf-8")
    assert "](docs/settings.md)" in readme


def test_the_environment_of_the_process_is_not_read_behind_the_callers_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STREAM_APP_ID", "another")
    assert load({}, {}, None).app_id == "stream"
    assert Settings().app_id == "stream"


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load({}, {}, None).http_port = 1


def test_flags_win_over_variables_and_variables_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("STREAM_APP_ID=file\nSTREAM_CLOCK='event'\nexport STREAM_HTTP_PORT=1000 # why\nHOME=x\n")
    settings = load(
        {"STREAM_APP_ID": "env", "STREAM_HTTP_PORT": "2000"}, {"http_port": 3000, "rules": None}, file
    )
    assert (settings.clock, settings.app_id, settings.http_port) == ("event", "env", 3000)
    assert settings.rules == Path("rules")


def test_an_env_file_need_not_be_there(tmp_path: Path) -> None:
    assert load({}, {}, tmp_path / ".env") == load({}, {}, None)


def test_a_line_that_is_no_setting_is_told_with_its_number(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("\n# a comment\nSTREAM_APP_ID=a\n\nwhat is this\n\nSTREAM_HTTP_PORT=many\nSTREAM_CLOCK\n")
    message = refused({}, {}, file)
    assert f"{file}:5: should be NAME=value" in message
    assert f"{file}:8: should be NAME=value" in message
    assert f"STREAM_HTTP_PORT ({file}:7): 'many': should be a valid integer" in message


def test_an_env_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    assert "cannot be read" in refused({}, {}, tmp_path)
    (tmp_path / "latin").write_bytes(b"STREAM_APP_ID=\xe9")
    assert "it is not UTF-8" in refused({}, {}, tmp_path / "latin")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("STREAM_BROKERS", "STREAM_BROKER"),
        ("STREAM_APPID", "STREAM_APP_ID"),
        ("STREAM_SASL_PASWORD_FILE", "STREAM_SASL_PASSWORD_FILE"),
        ("STREAM_http_port", None),
        ("STREAM_QUUX", None),
    ],
)
@pytest.mark.parametrize("where", ["env", "file"])
def test_an_unknown_variable_is_an_error(tmp_path: Path, where: str, given: str, meant: str | None) -> None:
    file = tmp_path / ".env"
    file.write_text(f"{given}=x\n" if where == "file" else "")
    message = refused({given: "x"} if where == "env" else {}, {}, file)
    assert f"{given} ({file}:1): unknown" in message if where == "file" else f"{given}: unknown" in message
    assert ("did you mean" in message) == bool(meant)
    assert f"did you mean {meant}?" in message or meant is None


def test_a_long_path_hid_in_which_line_an_unknown_variable_is(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 20)
    folder.mkdir()
    (folder / ".env").write_text("STREAM_QUUX=x\n")
    assert f"STREAM_QUUX ({folder}/.env:1): unknown" in refused({}, {}, folder / ".env")


def test_variables_of_the_build_and_of_kubernetes_are_no_mistakes() -> None:
    links = {
        "STREAM_SERVICE_HOST": "10.0.0.1",
        "STREAM_SERVICE_PORT": "9464",
        "STREAM_SERVICE_PORT_HTTP": "9464",
        "STREAM_PORT": "tcp://10.0.0.1:9464",
        "STREAM_PORT_9464_TCP": "tcp://10.0.0.1:9464",
        "STREAM_PORT_9464_TCP_ADDR": "10.0.0.1",
        "STREAM_METRICS_SERVICE_HOST": "10.0.0.1",
    }
    load({"STREAM_DEBUG": "1", "STREAM_HISTORIES": "9", "OTHER": "x", **links}, {}, None)
    assert "STREAM_PORT: unknown" in refused({"STREAM_PORT": "9464"})
    assert "enableServiceLinks" in refused({"STREAM_HTTP_PORT": "tcp://10.0.0.1:80"})


def test_an_empty_variable_is_not_given() -> None:
    assert load({"STREAM_REPLICATION": "", "STREAM_QUUX": ""}, {}, None).replication is None


def test_all_problems_are_told_at_once() -> None:
    message = refused(
        {
            "STREAM_BROKER": "kafka",
            "STREAM_STORE": "disk",
            "STREAM_COMMIT_INTERVAL": "nan",
            "STREAM_HTTP_PORT": "65536",
            "STREAM_SASL_USERNAME": "me",
            "STREAM_QUUX": "1",
        },
        {"log_level": "loud", "quux": 1},
    )
    assert message.startswith("8 problems")
    assert message.endswith(f"hint: {PRECEDENCE}")
    for part in (
        "STREAM_BROKER: 'kafka': entry 1 should be host:port",
        "STREAM_STORE: 'disk': should be 'memory' or 'rocksdb'",
        "STREAM_COMMIT_INTERVAL: 'nan': should be a finite number",
        "STREAM_HTTP_PORT: '65536': should be less than or equal to 65535",
        "STREAM_SASL_USERNAME: not used without SASL",
        "STREAM_QUUX: unknown setting",
        "--log-level: 'loud': should be 'DEBUG', 'INFO'",
        "--quux: unknown setting",
    ):
        assert part in message


@pytest.mark.parametrize("broker", ["a:1", "a-b.example:9092, [::1]:9093", "10.0.0.1:65535"])
def test_addresses_of_brokers(broker: str) -> None:
    assert load({"STREAM_BROKER": broker}, {}, None).broker == broker.replace(" ", "")


@pytest.mark.parametrize(
    "broker", ["a", "a:", "a:0", "a:65536", "a:1,,b:2", "kafka://a:1", "::1:9092", "a b:1", ","]
)
def test_what_is_no_address_of_brokers(broker: str) -> None:
    assert "should be host:port" in refused({"STREAM_BROKER": broker})


@pytest.mark.parametrize("name", ["", "a b", "../x", ".", "é", "a" * 129, "a\n"])
def test_an_app_id_can_stand_in_topic_names(name: str) -> None:
    assert "--app-id" in refused({}, {"app_id": name})


@pytest.mark.parametrize(
    ("decisions", "dead_letters"),
    [
        ("shop-customers-changelog", "dead-letters"),
        ("decisions", "shop-rules"),
        ("dead-letters", "dead-letters"),
    ],
)
def test_decisions_that_were_written_over_customers(decisions: str, dead_letters: str) -> None:
    given = {"app_id": "shop", "decisions_topic": decisions, "dead_letters_topic": dead_letters}
    with pytest.raises(SettingsError, match="is the topic of two things"):
        load({}, given, None)


def test_words_may_be_written_in_any_case() -> None:
    settings = load(
        {"STREAM_LOG_LEVEL": "debug", "STREAM_CLOCK": "EVENT", "STREAM_STORE": "Memory"}, {}, None
    )
    assert (settings.log_level, settings.clock, settings.store) == ("DEBUG", "event", "memory")


SASL = {"STREAM_SECURITY_PROTOCOL": "sasl_plaintext", "STREAM_SASL_MECHANISM": "scram-sha-512"}


def test_sasl_goes_to_the_clients() -> None:
    settings = load({**SASL, "STREAM_SASL_USERNAME": "me", "STREAM_SASL_PASSWORD": "hush"}, {}, None)
    assert settings.kafka_security() == {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "me",
        "sasl_plain_password": "hush",
    }
    assert "hush" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_sasl_needs_its_parts() -> None:
    message = refused({"STREAM_SECURITY_PROTOCOL": "SASL_PLAINTEXT"})
    for name in ("STREAM_SASL_MECHANISM", "STREAM_SASL_USERNAME", "STREAM_SASL_PASSWORD"):
        assert f"{name}: needed with STREAM_SECURITY_PROTOCOL=SASL_PLAINTEXT" in message
    assert "GSSAPI is not supported" in refused({**SASL, "STREAM_SASL_MECHANISM": "gssapi"})


def test_a_secret_can_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(" hush \n")
    env = {**SASL, "STREAM_SASL_USERNAME": "me", "STREAM_SASL_PASSWORD_FILE": str(file)}
    assert load(env, {}, None).kafka_security()["sasl_plain_password"] == " hush "
    message = refused({**env, "STREAM_SASL_PASSWORD": "other"})
    assert "STREAM_SASL_PASSWORD_FILE: STREAM_SASL_PASSWORD is given as well" in message
    file.write_text("\n")
    assert "the file is empty" in refused(env)


@pytest.mark.parametrize("secret", ["hunter2", "hunter2" * 100, "hunter2\0"])
def test_a_secret_in_the_wrong_place_is_not_shown(secret: str) -> None:
    message = refused(
        {
            "STREAM_SASL_PASSWORD": secret,
            "STREAM_SSL_PASSWORD_FILE": secret,
            "STREAM_SSL_KEYFILE": secret,
            "STREAM_BROKER": f"me:{secret}@kafka:9092",
            "STREAM_SASL_MECHANISM": secret,
        }
    )
    assert message.count("STREAM_SSL_KEYFILE") == 3  # not used, without its certificate, and no file
    assert "hunter2" not in message


def test_a_secrets_file_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "password")
    message = refused({"STREAM_SASL_PASSWORD_FILE": str(tmp_path / "password")})
    assert "cannot be read: not a regular file" in message
    os.mkfifo(tmp_path / ".env")
    assert "cannot be read: not a regular file" in refused({}, {}, tmp_path / ".env")


def test_a_secrets_file_of_three_gigabytes_is_not_read(tmp_path: Path) -> None:
    for name in ("password", ".env"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(3 << 30)
    message = refused({"STREAM_SASL_PASSWORD_FILE": str(tmp_path / "password")}, {}, tmp_path / ".env")
    assert message.count("more than 65,536 bytes") == 2


def make_certificate(directory: Path, password: str) -> tuple[Path, Path]:
    certificate, key = directory / "client.pem", directory / "client.key"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", "2", "-subj", "/CN=test"]
    command += ["-keyout", str(key), "-out", str(certificate), "-passout", f"pass:{password}"]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def test_tls_with_a_clients_certificate(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "hush")
    env = {
        "STREAM_SECURITY_PROTOCOL": "SSL",
        "STREAM_SSL_CAFILE": str(certificate),
        "STREAM_SSL_CERTFILE": str(certificate),
        "STREAM_SSL_KEYFILE": str(key),
    }
    security = load({**env, "STREAM_SSL_PASSWORD": "hush"}, {}, None).kafka_security()
    assert security["security_protocol"] == "SSL"
    context = security["ssl_context"]
    assert isinstance(context, ssl.SSLContext)
    assert context.check_hostname
    assert [each["subject"] for each in context.get_ca_certs()] == [((("commonName", "test"),),)]
    for wrong in ({}, {"STREAM_SSL_PASSWORD": "other"}):
        with pytest.raises(SettingsError, match="STREAM_SSL_CERTFILE") as caught:
            load({**env, **wrong}, {}, None).ssl_context()
        assert "other" not in str(caught.value)


def test_nobody_is_asked_for_the_password_of_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a password at hand OpenSSL asks on the terminal, and waits."""
    file = tmp_path / "client.pem"
    file.touch()
    given = {}
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", lambda *_, **arguments: given.update(arguments))
    load({"STREAM_SECURITY_PROTOCOL": "SSL", "STREAM_SSL_CERTFILE": str(file)}, {}, None).ssl_context()
    assert given["password"]() == ""


def test_tls_files_must_be_there_and_be_what_they_should_be(tmp_path: Path) -> None:
    message = refused({"STREAM_SECURITY_PROTOCOL": "SSL", "STREAM_SSL_KEYFILE": str(tmp_path / "no")})
    assert "STREAM_SSL_KEYFILE: there is no such file" in message
    assert "STREAM_SSL_KEYFILE: STREAM_SSL_CERTFILE is needed with it" in message
    (tmp_path / "ca").write_text("no certificate")
    settings = load({"STREAM_SECURITY_PROTOCOL": "SSL", "STREAM_SSL_CAFILE": str(tmp_path / "ca")}, {}, None)
    with pytest.raises(SettingsError, match="STREAM_SSL_CAFILE"):
        settings.kafka_security()


@pytest.mark.parametrize(
    "name",
    ["STREAM_BROKER", "STREAM_APP_ID", "STREAM_STORE", "STREAM_HTTP_PORT", "STREAM_SKIP", "STREAM_QUUX_X"],
)
def test_a_value_of_80_kilobytes_was_quoted_in_full(name: str) -> None:
    long = "x" * 80_000
    assert len(refused({name: long})) < 400
    assert len(refused({f"{name}{long}": "1"})) < 400
    assert len(refused({"STREAM_SECURITY_PROTOCOL": f"SASL{long}"})) < 1500


def test_a_long_list_of_brokers_is_not_quoted_in_full() -> None:
    settings = load({"STREAM_BROKER": ",".join(["kafka.example:9092"] * 4000)}, {}, None)
    told = unreachable(settings, OSError())
    assert len(str(told)) < 400
    assert "kafka.example:9092,kafka.example:9092" in str(told)


def test_two_topics_of_one_name_are_told_with_whatever_else_is_wrong() -> None:
    """It was said only once all else was right: at the second start, or the third."""
    names = {"STREAM_DECISIONS_TOPIC": "x", "STREAM_DEAD_LETTERS_TOPIC": "x", "STREAM_HTTP_PORT": "y"}
    message = refused(names)
    assert "x is the topic of two things" in message
    assert "STREAM_HTTP_PORT: 'y'" in message
