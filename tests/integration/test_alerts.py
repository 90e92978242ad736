"""The alerts for a worker that is gone and for Kafka that is away, provoked on real workers.

A real Prometheus judges the shipped rules. Only their patience is shorter: no test waits for minutes.
"""

from __future__ import annotations

import re
import signal
from pathlib import Path

from stream.broker.cluster import EmbeddedKafka
from tests.deploy.observed import RULE_FILES
from tests.integration.shop import PARTITIONS, Shop
from tests.kit.kafka import create_topics
from tests.kit.patience import eventually, scaled
from tests.kit.prometheus import Prometheus, running
from tests.kit.worker import short_session

# What follows from Kafka's absence, or from a worker's, and would be a page of its own.
FOLLOWS = {
    "StreamNoWorkers",
    "StreamPartitionsUnowned",
    "StreamCommitsStale",
    "StreamLag",
    "StreamTimersLate",
}


def impatient(folder: Path, every: int) -> list[Path]:
    """The shipped rules, which say at once what they otherwise say after minutes."""
    copies = []
    for path in RULE_FILES:
        text = re.sub(r"\n +for: \d+m\n", "\n", path.read_text(encoding="utf-8"))
        text = text.replace("avg_over_time(up[5m])", f"avg_over_time(up[{3 * every}s])")
        text = text.replace("job:stream_kafka_away_seconds:max > 60", "job:stream_kafka_away_seconds:max > 3")
        copies.append(folder / path.name)
        copies[-1].write_text(text, encoding="utf-8")
    return copies


def firing(prometheus: Prometheus, since: str = "") -> dict[str, list[float]]:
    """The value of each firing alert by name: now, or of any moment since."""
    selector = '{alertstate="firing"}'
    asked = f"max_over_time(ALERTS{selector}[{since}])" if since else f"ALERTS{selector}"
    found: dict[str, list[float]] = {}
    for series in prometheus.query(asked):
        found.setdefault(series["metric"]["alertname"], []).append(float(series["value"][1]))
    return found


def test_a_worker_that_is_gone_and_kafka_that_is_away_are_one_alert_each(tmp_path: Path) -> None:
    """A worker that ended at its start, or was frozen, beside a healthy one raised no alert at all."""
    every = max(round(scaled(1)), 1)
    with EmbeddedKafka() as kafka:
        shop = Shop(kafka.bootstrap, "alerts", tmp_path)
        create_topics(kafka.bootstrap, dict.fromkeys([*shop.sources, shop.web], PARTITIONS))
        rules = impatient(tmp_path, every)
        session = short_session()
        with (
            shop.worker("a", session_timeout=session) as healthy,
            shop.worker("b", session_timeout=session) as frozen,
        ):
            ports = {name: each.until_ready().port for name, each in (("a", healthy), ("b", frozen))}
            with running(tmp_path / "prometheus", ports, rules, f"{every}s") as prometheus:
                eventually(lambda: len(prometheus.query("stream_build_info")) == 2, "both are seen")
                shared = 'stream_partitions{role="active"} > 0'
                eventually(lambda: len(prometheus.query(shared)) == 2, "both have partitions")
                eventually(lambda: not firing(prometheus), "all is well")

                frozen.signal(signal.SIGSTOP)
                eventually(lambda: len(firing(prometheus).get("StreamWorkerDown", ())) == 1, "one is down")
                assert "StreamPartitionsUnowned" in firing(prometheus, "10m"), "until the other takes over"
                eventually(lambda: set(firing(prometheus)) == {"StreamWorkerDown"}, "the other took over")
                frozen.signal(signal.SIGCONT)
                eventually(lambda: not firing(prometheus), "all is well again")

                kafka.kill(0)
                eventually(lambda: "StreamKafkaAway" in firing(prometheus), "Kafka is away")
                eventually(lambda: healthy.figures()["stream_kafka_away_seconds"] > 15, "for long")
                now = firing(prometheus)
                assert len(now["StreamKafkaAway"]) == 1, "one alert for two workers"
                assert not FOLLOWS & set(now)
                kafka.restart(0)
                eventually(lambda: not firing(prometheus), "Kafka is back")
