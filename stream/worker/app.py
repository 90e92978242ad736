"""The trigger worker: what it needs before it can start, and its life around the runtime's app."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeVar

import structlog
from aiokafka.errors import KafkaError

from stream import __version__
from stream.errors import BrokerError, RuleFileError, SettingsError, StreamError, TopologyError
from stream.rules.compiler.rule_set import check_rules
from stream.rules.model import RuleSet
from stream.runtime.app import EXIT_FAILED, StageApp, log_failure, serve
from stream.settings import Settings
from stream.telemetry.metrics import Metrics
from stream.telemetry.tracing import Tracing, tracing
from stream.topics import permissions
from stream.topics.ensure import Topology, ensure_topics
from stream.topics.placement import HINT, problems, sample
from stream.topics.revisions import publish
from stream.topics.skips import not_there_yet, refuse_strangers
from stream.worker.admission import Admission, disk_of_its_own
from stream.worker.aside import Aside
from stream.worker.compile_process import compile_aside
from stream.worker.health import Health, HealthServer
from stream.worker.reload import ERRORS_LOGGED, Directory, Reload, errors_of
from stream.worker.signals import Verbosity
from stream.worker.switches import FollowedSwitches
from stream.worker.triggers import TriggerStage

__all__ = ["EXIT_FAILED", "check", "log_failure", "log_refusal", "run"]

log = structlog.get_logger("stream.worker")

WARNINGS_LOGGED = 50  # of the rule files, at the start

T = TypeVar("T")


def compiled(settings: Settings) -> RuleSet:
    """The rules, their warnings logged. Raises RuleFileError."""
    checked = check_rules(settings.rules, settings.own_topics)
    if checked.rules is None:
        raise RuleFileError([each for each in checked.diagnostics if each.severity == "error"])
    for each in checked.diagnostics[:WARNINGS_LOGGED]:
        log.warning("rule_warning", code=each.code.value, place=str(each.location), finding=each.message)
    if checked.diagnostics:
        log.warning("rules_have_warnings", warnings=len(checked.diagnostics), hint="stream check shows them")
    return checked.rules


async def check(settings: Settings) -> tuple[RuleSet, Topology]:
    """What a worker needs before it can start: rules that compile, a Kafka that answers, topics that fit, all
    permissions, whether or not an event will ever ask for them, and sources that keep a customer in one
    partition.
    """
    rules = compiled(settings)
    topology = await ensure_topics(settings, rules)
    refuse_strangers(settings, rules.sources, topology.partitions)
    if lacking := await permissions.refused(settings, rules):
        listed = "\n  ".join(permissions.in_words(each) for each in lacking)
        hints = "; ".join(permissions.remedy(each) for each in lacking)
        raise TopologyError(f"this client may not do all that a worker has to:\n  {listed}", hint=hints)
    await _check_customers(settings, rules, topology)
    if vain := await _not_there_yet(settings):
        raise SettingsError("STREAM_SKIP skips nothing:\n  " + "\n  ".join(vain))
    return rules, topology


async def _warn_of_permissions(settings: Settings, rules: RuleSet) -> None:
    try:
        lacking = await permissions.refused(settings, rules)
    except BrokerError as error:
        log.warning("permissions_not_known", reason=error.message, hint=error.hint)
        return
    for right in lacking:
        log.warning("permission_lacks", reason=permissions.in_words(right), hint=permissions.remedy(right))


async def _not_there_yet(settings: Settings) -> Sequence[str]:
    try:
        return await not_there_yet(settings)
    except (KafkaError, TimeoutError) as error:
        log.warning("skips_were_not_looked_at", error=type(error).__name__)
        return []


async def _check_customers(settings: Settings, rules: RuleSet, topology: Topology) -> None:
    """Raises TopologyError if a sample of the sources has customers in two partitions, or will have."""
    try:
        samples = await sample(settings, rules.sources, topology.partitions)
    except (KafkaError, TimeoutError) as error:
        hint = "does this client have Read on the sources' topics?"
        log.warning("customers_were_not_sampled", error=type(error).__name__, hint=hint)
        return
    found = problems(samples, topology.partitions)
    if fatal := [each.message for each in found if each.fatal]:
        raise TopologyError("customers are torn apart:\n  " + "\n  ".join(fatal), hint=HINT)
    for each in found:
        log.warning("customers_are_keyed_otherwise", finding=each.message, hint=HINT)


async def run(settings: Settings) -> int:
    """Run a worker until it is asked to stop (exit code 0) or fails (70). Raises StreamError if it cannot
    start.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):  # first: what comes before `starting` may take long
        loop.add_signal_handler(number, stop.set)
    directory = await Aside("the rules' directory").call(partial(Directory, settings.rules))
    rules = compiled(settings)
    refuse_strangers(settings, rules.sources)
    metrics = _metrics(settings, rules)
    traces = tracing(settings)
    Verbosity(settings.log_level, loop).listen()
    admission = Admission(settings, rules)
    server = HealthServer(metrics, lambda: admission.health(), settings.http_host, settings.http_port)
    server.start()
    held = ExitStack()
    try:
        held.enter_context(disk_of_its_own(settings))
        log.info("starting", revision=rules.revision, rules=len(rules.rules), port=server.port)
        topology = await _unless(stop, _admit(settings, rules, admission))
        if topology is None:
            log.info("stopped")
            return 0
        most_bytes = dict(topology.most_bytes)
        stage = TriggerStage(
            rules,
            settings.app_id,
            metrics,
            traces,
            most_bytes,
            own=settings.own_topics,
            partitions=topology.partitions,
        )
        switches = FollowedSwitches(settings, stage, metrics)
        if await _unless(stop, _known(switches, admission)) is None:
            log.info("stopped")
            return 0
        app = StageApp(settings, stage, metrics, partitions=topology.partitions, most_bytes=most_bytes)
        admission.health = partial(_health, app)
        metrics.process.set_ready(lambda: _health(app).ready)

        async def ensure(rules: RuleSet) -> None:
            most_bytes.update((await ensure_topics(settings, rules)).most_bytes)

        reload = Reload(
            directory,
            stage,
            metrics,
            ensure,
            publish=partial(publish, settings),
            compile_rules=partial(compile_aside, own=settings.own_topics),
        )
        app.task(reload.keep_reloading)
        app.task(switches.keep_following)
        loop.add_signal_handler(signal.SIGHUP, reload.ask)
        return await serve(app, stop, settings.stuck_after, metrics.process.set_stalled)
    finally:
        held.close()
        server.stop()
        await _stop(traces)


async def _admit(settings: Settings, rules: RuleSet, admission: Admission) -> Topology:
    """Wait until the topics fit, and say which rules are in force."""
    topology = await admission.until_fit()
    refuse_strangers(settings, rules.sources, topology.partitions)
    for each in await _not_there_yet(settings):  # no reason to end: the topic may have been made anew since
        log.warning("skips_nothing_yet", finding=each, hint="take it out of STREAM_SKIP")
    await _warn_of_permissions(settings, rules)
    await admission.until_published()
    return topology


async def _known(switches: FollowedSwitches, admission: Admission) -> bool:
    """Wait until it is known which rules are off: no event may be judged before."""
    await switches.until_known(admission.say_kafka)
    return True


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What the work gives; None, and it is given up, once `stop` is set."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        return working.result()
    working.cancel()
    await asyncio.wait([working])
    return None


def log_refusal(error: StreamError) -> None:
    """Say in one line why the worker does not start: whatever reads the log reads objects, one a line."""
    errors = errors_of(error)
    log.critical(
        "cannot_start",
        error=type(error).__name__,
        errors=errors[:ERRORS_LOGGED],
        more=max(len(errors) - ERRORS_LOGGED, 0),
        hint=error.hint,
    )


async def _stop(traces: Tracing | None) -> None:
    if traces is not None:
        await asyncio.to_thread(traces.stop)


def _metrics(settings: Settings, rules: RuleSet) -> Metrics:
    metrics = Metrics()
    metrics.process.set_build(__version__, settings.store)
    metrics.rules.set_rules(rules.revision, len(rules.rules))
    metrics.work.declare(
        [source.name for source in rules.sources],
        [rule.name for rule in rules.rules],
        [channel.name for channel in rules.channels],
    )
    metrics.process.set_stalled(0, settings.stuck_after)
    if settings.store == "rocksdb":
        metrics.process.watch_disk(settings.data_dir)
    return metrics


def _health(app: StageApp) -> Health:
    """The verdict of the probes; called from the health server's thread."""
    fatal, idle = app.amiss()
    reasons = (*fatal, *idle)
    return Health(live=not fatal, ready=not reasons, reasons=reasons)
