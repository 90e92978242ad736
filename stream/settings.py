"""Settings: read once, at the start, from flags, `STREAM_…` variables and a `.env` file; frozen from then on.

Flags win over variables, variables over the file. A value that is empty counts as not given, as deployment
templates like to leave empty ones behind. Every problem is reported, not only the first, and none of the
reports shows a secret. What a setting is called, means and defaults to is said in `Settings` and nowhere
else: the commands' flags and docs/settings.md are made of it. Tested by tests/project/test_settings.py.
"""

from __future__ import annotations

import difflib
import io
import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from dotenv.parser import parse_stream
from pydantic import BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from stream.errors import SettingsError
from stream.regular_files import open_regular
from stream.structs import OwnTopics

PREFIX = "STREAM_"
OWN_NAMES = ("app_id", "decisions_topic", "dead_letters_topic")
SECRETS = ("sasl_password", "ssl_password")
MAX_FILE = 65_536  # bytes, of a secret's file or of .env

# Read by the build and by the tests; no settings of a worker, and no mistakes either.
NOT_OURS = frozenset(
    {"STREAM_DEBUG", "STREAM_SANITIZE", "STREAM_BUILD", "STREAM_HISTORIES", "STREAM_FAULTS", "STREAM_SEED"}
)

# What Kubernetes puts into every pod beside a Service named `stream` or `stream-…`.
SERVICE_LINK = re.compile(r"STREAM_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")

TOPIC = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,248}$"

MOST_SHOWN = 100  # characters of a value in a message

PRECEDENCE = "flags win over STREAM_ variables, and variables over the .env file"


def shown(value: object) -> str:
    """A setting's value, which may be of any length, in a message."""
    text = str(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _brokers(value: Any) -> Any:
    """`host:port[,…]` without spaces. IPv6 addresses are in brackets."""
    if not isinstance(value, str):
        return value
    entries = [entry.strip() for entry in value.split(",")]
    for number, entry in enumerate(entries, start=1):
        match = re.fullmatch(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})", entry)
        if match is None or not 0 < int(match[2]) < 65536:
            raise ValueError(f"entry {number} should be host:port, such as kafka.example:9092")
    return ",".join(entries)


def _mechanism(value: Any) -> Any:
    if _upper(value) in {"GSSAPI", "OAUTHBEARER"}:
        raise ValueError(f"{_upper(value)} is not supported; use SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN")
    return _upper(value)


PLACE = re.compile(r"([A-Za-z0-9._-]{1,249})/(\d{1,9})/(\d{1,18})(?:-(\d{1,18}))?")


def _places(value: Any) -> Any:
    """`topic/partition/offset[,…]`, or `…/first-last`."""
    for number, entry in enumerate(value.split(",") if isinstance(value, str) else (), start=1):
        match = PLACE.fullmatch(entry.strip())
        if match is None or int(match[3]) > int(match[4] or match[3]):
            raise ValueError(f"entry {number} should be topic/partition/offset, or …/first-last")
    return value


class Settings(BaseSettings):
    """A worker's settings. Made by `load`, which compares them with one another, too."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=PREFIX)

    broker: Annotated[str, BeforeValidator(_brokers)] = Field(
        "127.0.0.1:9092", description="Kafka's addresses, host:port[,…]"
    )
    app_id: str = Field(
        "stream",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$",
        description="name of the consumer group; the changelog's name starts with it",
    )
    decisions_topic: str = Field(
        "decisions", pattern=TOPIC, description="topic of the decisions, shared by apps that name the same"
    )
    dead_letters_topic: str = Field(
        "dead-letters",
        pattern=TOPIC,
        description="topic of records that are not events, shared by apps that name the same",
    )
    compaction_lag: float = Field(
        3600.0,
        ge=1,
        le=2_592_000,
        allow_inf_nan=False,
        description="seconds after which an older value is gone from the compacted topics of this app",
    )
    instance_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,248}$",
        description="Kafka's group.instance.id, such as the pod's name: a restart moves no partitions",
    )
    rules: Path = Field(Path("rules"), description="directory of the rule files")
    store: Annotated[Literal["memory", "rocksdb"], BeforeValidator(_lower)] = Field(
        "memory",
        description="where the customers are kept: memory, or rocksdb (on disk, those in use in memory)",
    )
    data_dir: Path = Field(
        Path("data"),
        description="directory of the disk store, one for each worker; if lost, it is made anew from Kafka",
    )
    store_memory: int | None = Field(
        None,
        ge=1 << 20,
        description="bytes for RocksDB's cache and buffers; unset: a quarter of the memory",
    )
    store_customers: int = Field(
        100_000, ge=100, description="with rocksdb: how many customers of a worker stay in memory as well"
    )
    clock: Annotated[Literal["wall", "event"], BeforeValidator(_lower)] = Field(
        "wall", description="wall, or event for replays of old data: now is the largest event time seen"
    )
    commit_interval: float = Field(
        1.0,
        ge=0.01,
        le=60,
        allow_inf_nan=False,
        description="seconds between two checkpoints: changed customers are written, offsets committed",
    )
    session_timeout: float = Field(
        45.0,
        ge=6,
        le=300,
        allow_inf_nan=False,
        description="seconds of silence after which a worker's partitions go to others",
    )
    stuck_after: float = Field(
        300.0,
        ge=5,
        le=86_400,
        allow_inf_nan=False,
        description="seconds without progress, with work to do and Kafka there, after which a worker ends",
    )
    standby_replicas: int = Field(
        0,
        ge=0,
        le=10,
        description="how many other workers keep a copy of each partition's customers, to take over at once",
    )
    max_in_flight: int = Field(
        10_000, ge=1, description="records of one topic's partition that may be in work at a time"
    )
    max_fetch_bytes: int = Field(
        1 << 20,
        ge=1 << 14,
        le=1 << 28,
        description="bytes asked for in one fetch from a partition (max.partition.fetch.bytes)",
    )
    fetch_linger: float = Field(
        0.003,
        ge=0,
        le=0.1,
        allow_inf_nan=False,
        description="seconds by which fetches are put off at 1,000 records a second and more, so that fewer "
        "and larger ones cost less; 0: never",
    )
    skip: Annotated[str | None, BeforeValidator(_places)] = Field(
        None,
        description="records that are put aside unread: topic/partition/offset[,…], or …/first-last "
        "(docs/recovery.md)",
    )
    replication: int | None = Field(
        None,
        ge=1,
        le=32767,
        description="replication factor of topics that a worker creates; unset: 3, or the number of brokers",
    )
    # All interfaces: a kubelet and Prometheus come from outside of the pod. Nothing but counts is served.
    http_host: str = Field(
        "0.0.0.0",  # noqa: S104 - see above
        min_length=1,
        description="address of /metrics, /live and /ready",
    )
    http_port: int = Field(
        9464, ge=0, le=65535, description="port of /metrics, /live and /ready; 0: any free one"
    )
    trace_share: float = Field(
        0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="share of triggers that get a span, of those whose record is traced; 0: no tracing",
    )
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)
    ] = Field("INFO", description="least severe level that is logged; SIGUSR1: DEBUG, SIGUSR2: back")
    log_format: Annotated[Literal["auto", "json", "text"], BeforeValidator(_lower)] = Field(
        "auto", description="json, text, or auto: text on a terminal, else json"
    )
    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], BeforeValidator(_upper)
    ] = Field("PLAINTEXT", description="Kafka's security.protocol")
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None, BeforeValidator(_mechanism)
    ] = Field(None, description="Kafka's sasl.mechanism")
    sasl_username: str | None = Field(None, description="user name for SASL")
    sasl_password: SecretStr | None = Field(None, description="password for SASL")
    ssl_cafile: Path | None = Field(
        None, description="certificates to trust, PEM; unset: those of the system"
    )
    ssl_certfile: Path | None = Field(None, description="the client's certificate, PEM")
    ssl_keyfile: Path | None = Field(
        None, description="the key of the client's certificate, PEM; unset: in the same file"
    )
    ssl_password: SecretStr | None = Field(None, description="password of the client's key")

    _files: dict[str, Path] = PrivateAttr(default_factory=dict)  # of secrets that were given as files

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        *_: Any,
        **__: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # Nothing is read behind the caller's back: `load` has read it all, and knows where it came from.
        return (init_settings,)

    @property
    def own_topics(self) -> OwnTopics:
        """The app and the topics that it writes beside its channels'."""
        return OwnTopics(self.app_id, self.decisions_topic, self.dead_letters_topic)

    def ssl_context(self) -> ssl.SSLContext | None:
        """The context for TLS, None without TLS. Raises SettingsError where a file cannot be used."""
        if "SSL" not in self.security_protocol:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ssl_cafile)
        except OSError as error:
            raise SettingsError(
                f"STREAM_SSL_CAFILE: {shown(self.ssl_cafile)} cannot be used: {_reason(error)}",
                hint="it should hold certificates in PEM form",
            ) from None
        if self.ssl_certfile is not None:
            password = self._secret("ssl_password") or ""
            try:
                # A function, as OpenSSL would ask on the terminal for a password that is not there.
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile, password=lambda: password)
            except OSError as error:
                raise SettingsError(
                    f"STREAM_SSL_CERTFILE: {shown(self.ssl_certfile)} and its key cannot be used: "
                    f"{_reason(error)}",
                    hint="do certificate and key belong together, is STREAM_SSL_PASSWORD the key's?",
                ) from None
        return context

    def skipped(self) -> dict[tuple[str, int], list[range]]:
        """The offsets of `skip`, by topic and partition."""
        found: dict[tuple[str, int], list[range]] = {}
        for topic, partition, first, last in PLACE.findall(self.skip or ""):
            offsets = range(int(first), int(last or first) + 1)
            found.setdefault((topic, int(partition)), []).append(offsets)
        return found

    def kafka_security(self) -> dict[str, Any]:
        """Keyword arguments for aiokafka's clients; holds the password in plain text, so do not log it. Files
        of secrets and certificates are read anew; raises SettingsError where one cannot be.
        """
        security: dict[str, Any] = {"security_protocol": self.security_protocol}
        if (context := self.ssl_context()) is not None:
            security["ssl_context"] = context
        if self.security_protocol.startswith("SASL"):
            security["sasl_mechanism"] = self.sasl_mechanism
            security["sasl_plain_username"] = self.sasl_username
            security["sasl_plain_password"] = self._secret("sasl_password")
        return security

    def secret_files(self) -> list[Path]:
        """What `kafka_security` reads."""
        named = (self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile)
        return [*(path for path in named if path is not None), *self._files.values()]

    def _secret(self, name: str) -> str | None:
        if (path := self._files.get(name)) is None:
            known: SecretStr | None = getattr(self, name)
            return known.get_secret_value() if known else None
        try:
            content, secret = _secret_in(path)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"{PREFIX}{name.upper()}_FILE: the file cannot be read: {_reason(error)}"
            ) from None
        if not secret or len(content) > MAX_FILE:
            raise SettingsError(
                f"{PREFIX}{name.upper()}_FILE: the file is empty, or larger than {MAX_FILE:,} bytes"
            )
        return secret


@dataclass(frozen=True, slots=True)
class _Given:
    """One value as given. `called` is how its giver knows it: `--http-port`, `STREAM_HTTP_PORT (.env:3)`."""

    called: str
    value: Any


def load(
    env: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
    env_file: Path | None = Path(".env"),
) -> Settings:
    """The settings from `env`, overridden by `overrides` (by field name, None is not given).

    `env_file` may be missing. Raises SettingsError with every problem found, and no secret in it.
    """
    problems: list[str] = []
    variables: dict[str, _Given] = {}
    if env_file is not None:
        variables |= _read_env_file(env_file, problems)
    variables |= _read_environment(env)
    given = _known(variables, problems)
    for name, value in (overrides or {}).items():
        if name not in Settings.model_fields:
            problems.append(f"--{name.replace('_', '-')}: unknown setting")
        elif value is not None:
            given[name] = _Given(f"--{name.replace('_', '-')}", value)
    problems += [*_own_twice(given), *_conflicts(given)]
    try:
        settings = Settings(**{name: each.value for name, each in given.items()})
    except ValidationError as error:
        problems += _explain(error, given)
    else:
        for name in SECRETS:
            if (file := variables.get(f"{PREFIX}{name.upper()}_FILE")) is not None:
                settings._files[name] = Path(file.value)
    if problems:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise SettingsError("\n  ".join([f"{count} with the settings:", *problems]), hint=PRECEDENCE)
    return settings


def _own_twice(given: Mapping[str, _Given]) -> Iterator[str]:
    """What is written to one topic would be read as what belongs in the other."""
    own = OwnTopics(*(given[name].value if name in given else _default(name) for name in OWN_NAMES))
    names = (own.decisions, own.dead_letters, own.changelog, own.rules, own.switches)
    for name in sorted({each for each in names if names.count(each) > 1}):
        what = "decisions, dead letters, customers, rules and switches"
        yield f"{shown(name)} is the topic of two things: of {what}"


def _default(name: str) -> str:
    return str(Settings.model_fields[name].default)


def own_topics(env: Mapping[str, str], env_file: Path | None = Path(".env")) -> OwnTopics:
    """The same as `Settings.own_topics` where nothing else of the settings matters, or need be right."""
    variables = (_read_env_file(env_file, []) if env_file is not None else {}) | _read_environment(env)
    names = {PREFIX + name.upper(): name for name in OWN_NAMES}
    given = {names[variable]: each.value for variable, each in variables.items() if variable in names}
    try:
        return Settings(**given).own_topics
    except ValidationError:  # a worker with these settings will say so
        return OwnTopics()


def _read_environment(env: Mapping[str, str]) -> dict[str, _Given]:
    found = {}
    for name, value in env.items():
        if not name.startswith(PREFIX) or name in NOT_OURS or not value:
            continue
        known = name.removeprefix(PREFIX).lower() in Settings.model_fields
        if not known and (SERVICE_LINK.fullmatch(name) or SERVICE_ADDRESS.match(value)):
            continue
        found[name] = _Given(name, value)
    return found


def _read_env_file(path: Path, problems: list[str]) -> dict[str, _Given]:
    try:
        with open_regular(path) as file:
            content = file.read(MAX_FILE + 1)
        bindings = list(parse_stream(io.StringIO(content.decode())))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path} cannot be read: {_reason(error)}")
        return {}
    if len(content) > MAX_FILE:
        problems.append(f"{path} has more than {MAX_FILE:,} bytes")
        return {}
    found = {}
    for binding in bindings:
        name, value, text = binding.key or "", binding.value, binding.original.string
        # The parser takes the blank lines before a line for a part of it.
        line = binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
        ours = name.startswith(PREFIX) and name not in NOT_OURS
        if binding.error or (ours and value is None):
            problems.append(f"{path}:{line}: should be NAME=value")
        elif ours and value:
            found[name] = _Given(f"{name} ({path}:{line})", value)
    return found


def _known(variables: Mapping[str, _Given], problems: list[str]) -> dict[str, _Given]:
    """Variables by the name of their field; secrets in files are read."""
    names = {PREFIX + name.upper(): name for name in Settings.model_fields}
    files = {f"{PREFIX}{name.upper()}_FILE": name for name in SECRETS}
    given: dict[str, _Given] = {}
    for variable, each in variables.items():
        if variable in names:
            given[names[variable]] = each
        elif variable not in files:
            near = difflib.get_close_matches(variable, [*names, *files], n=1, cutoff=0.75)
            called = shown(variable) + each.called.removeprefix(variable)
            problems.append(f"{called}: unknown setting{f'; did you mean {near[0]}?' if near else ''}")
    for variable, name in files.items():
        if variable not in variables:
            continue
        each = variables[variable]
        if name in given:
            problems.append(f"{each.called}: {given[name].called} is given as well; one of them has to go")
            continue
        try:
            content, secret = _secret_in(Path(each.value))
        except (OSError, UnicodeDecodeError, ValueError) as error:
            # The value is not shown: it may be the secret itself, put where its file's name belongs.
            problems.append(f"{each.called}: the file cannot be read: {_reason(error)}")
            continue
        if not secret:
            problems.append(f"{each.called}: the file is empty")
        if len(content) > MAX_FILE:
            problems.append(f"{each.called}: the file has more than {MAX_FILE:,} bytes")
        given[name] = _Given(each.called, secret)
    return given


def _conflicts(given: Mapping[str, _Given]) -> Iterator[str]:
    """What is wrong with the security settings as a whole: what is missing, and what would not be used."""
    protocol = str(_upper(given["security_protocol"].value)) if "security_protocol" in given else "PLAINTEXT"
    for part in ("SASL", "SSL"):
        unused = [each.called for name, each in given.items() if name.startswith(part.lower() + "_")]
        if unused and part not in protocol:
            yield f"{', '.join(unused)}: not used without {part} in STREAM_SECURITY_PROTOCOL"
    if protocol.startswith("SASL"):
        for name in ("sasl_mechanism", "sasl_username", "sasl_password"):
            if name not in given:
                yield f"{PREFIX}{name.upper()}: needed with STREAM_SECURITY_PROTOCOL={shown(protocol)}"
    if "ssl_certfile" not in given:
        for name in ("ssl_keyfile", "ssl_password"):
            if name in given:
                yield f"{given[name].called}: STREAM_SSL_CERTFILE is needed with it"
    for name in ("ssl_cafile", "ssl_certfile", "ssl_keyfile"):
        if name in given and not _is_file(given[name].value):
            yield f"{given[name].called}: there is no such file"


def _explain(error: ValidationError, given: Mapping[str, _Given]) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_context=False):
        name = str(problem["loc"][0])
        value = given[name].value
        if SERVICE_ADDRESS.match(str(value)):
            yield (
                f"{given[name].called}: set by Kubernetes for a Service of that name; "
                "`enableServiceLinks: false` in the pod's spec keeps it out"
            )
            continue
        message = problem["msg"].removeprefix("Value error, ").replace("Input should", "should", 1)
        message = message.partition(", unable to parse")[0]
        if problem["type"] == "string_pattern_mismatch":
            message = "should be letters, digits, '.', '_' and '-' only, and not begin with a sign"
        # "@": somebody may have put a user and a password before a host. Of what says who the worker is
        # nothing is shown: a password may have been put into the wrong one.
        secret = name.startswith(("sasl_", "ssl_")) or "@" in str(value)
        yield f"{given[name].called}: {'' if secret else f'{shown(value)!r}: '}{message}"


def _secret_in(path: Path) -> tuple[bytes, str]:
    """(What was read, one byte more than `MAX_FILE` at most; the secret in it)."""
    with open_regular(path) as file:
        content = file.read(MAX_FILE + 1)
    return content, content.decode().rstrip("\r\n")


def _is_file(path: Any) -> bool:
    try:
        return Path(path).is_file()
    except OSError:  # no name for a file at all, such as a whole certificate
        return False


def _reason(error: Exception) -> str:
    """Why a file cannot be used, without the file's name or what is in it."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else "that is not a file name"
