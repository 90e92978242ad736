"""The cluster: whether every broker answers where it says it is, its release, its clock, and what we may do.

Pure: of `clusterfacts`. Tested by tests/doctor/test_kafka.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stream.doctor.findings import Finding, error, ok, unknown, warning
from stream.kafka.cluster import METADATA, METADATA_VERSION, Cluster
from stream.topics.permissions import in_words, lacking, remedy
from stream.topics.plan import Need

SKEW_MS = 1000  # from here on a clock is off
FAR_MS = 60_000  # from here on events count as late, or as from the future
# By the level of the feature `metadata.version`: the first release that has it.
RELEASES = {4: "3.3", 8: "3.4", 9: "3.5", 12: "3.6", 15: "3.7", 20: "3.8", 21: "3.9", 22: "4.0", 26: "4.1"}
RELEASES |= {28: "4.2", 30: "4.3"}


def brokers(cluster: Cluster) -> Iterator[Finding]:
    """Whether each is reachable, and what it is."""
    silent = [each for each in cluster.brokers if each.apis is None]
    for each in silent:
        yield error(
            "brokers",
            f"broker {each.id} does not answer at {each.address}, where it says that it is",
            "is it down? Else its advertised.listeners must be an address that can be reached from here",
        )
    old = [each for each in cluster.brokers if each.apis and each.apis.get(METADATA, 0) < METADATA_VERSION]
    for each in old:
        yield error(
            "brokers", f"broker {each.id} is older than Kafka 2.8", "upgrade it: 2.8 or later is needed"
        )
    if not silent and not old:
        count = len(cluster.brokers)
        yield ok("brokers", f"{count} broker{'s' if count != 1 else ''} answer{'s' if count == 1 else ''}")
    yield _release(cluster)
    if len(cluster.brokers) < 3:
        message = (
            f"{len(cluster.brokers)} in the cluster: with one lost, records are lost or nothing is written"
        )
        yield warning("cluster", message, "have three or more in production")


def _release(cluster: Cluster) -> Finding:
    level = cluster.features.get("metadata.version")
    if level is None:
        return unknown(
            "release", "the cluster does not say its release", "it runs ZooKeeper, or is older than 3.3"
        )
    known = [release for least, release in RELEASES.items() if level >= least]
    newest = " or later" if level > max(RELEASES) else ""
    return ok("release", f"Kafka {known[-1]}{newest}" if known else f"metadata.version {level}")


def clock(cluster: Cluster) -> Finding:
    """Whether this machine's clock and the cluster's agree."""
    ahead = cluster.clock_ahead
    if ahead is None:
        return unknown(
            "clock",
            "the cluster does not tell its time to this client",
            "grant this client Describe on the cluster; or compare `date` on both, and run NTP",
        )
    said = f"the controller's is {abs(ahead):,} ms {'ahead of' if ahead >= 0 else 'behind'} this machine's"
    said += f" (± {cluster.clock_error:,} ms)"
    off = abs(ahead) - cluster.clock_error
    if off > FAR_MS:
        fix = "run NTP on both: with clocks so far apart events count as late, or as from the future"
        return error("clock", said, fix)
    if off > SKEW_MS:
        return warning(
            "clock", said, "run NTP on both: latencies, quiet hours and reminders are off by as much"
        )
    return ok("clock", said)


def permissions(cluster: Cluster, needs: Sequence[Need], app_id: str) -> Iterator[Finding]:
    """What a worker must be allowed to do, and is not."""
    refused = lacking(cluster, needs, app_id)
    to_make = [
        each.name
        for each in needs
        if each.is_ours and each.name not in cluster.topics and each.name not in cluster.hidden
    ]
    if to_make and cluster.operations is not None and "Create" not in cluster.operations:
        yield warning(
            "permissions",
            f"this client may not create topics, and these are missing: {', '.join(to_make)}",
            "have somebody create them (`stream topics` prints them), or allow Create on their names",
        )
    for each in refused:
        yield error("permissions", in_words(each), remedy(each))
    if refused:
        return
    known = [cluster.topics[each.name].operations for each in needs if each.name in cluster.topics]
    if not known or None in known or cluster.group_operations is None:
        yield unknown(
            "permissions", "not all of them may be seen by this client", "look at the access control lists"
        )
    else:
        yield ok("permissions", "this client may read, write and describe what it has to, and join the group")
