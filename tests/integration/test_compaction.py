"""What a customer's state no longer holds leaves Kafka's files, though nothing more comes."""

from __future__ import annotations

from pathlib import Path

from stream.broker.cluster import EmbeddedKafka
from tests.integration.shop import PARTITIONS, START, Shop
from tests.kit.kafka import create_topics, produce
from tests.kit.patience import eventually

SECRET = "Rue Secrète 5".encode()


def holds(folder: Path, topic: str) -> bool:
    """Whether the bytes lie in the log files of a topic."""
    files = [file for file in folder.glob(f"node-*/data/{topic}-*/*.log") if file.exists()]
    assert files
    return any(SECRET in file.read_bytes() for file in files)


def test_a_deleted_value_lay_in_a_quiet_partition_for_ever(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        shop = Shop(kafka.bootstrap, "shop", tmp_path)
        file = shop.rules / "shop.yaml"
        kept = "  street: {function: last, of: view, field: street}\nchannels:"
        file.write_text(file.read_text().replace("channels:", kept))
        create_topics(kafka.bootstrap, dict.fromkeys([*shop.sources, shop.web], PARTITIONS))
        changelog = "shop-customers-changelog"
        with shop.worker(compaction_lag="1") as worker:
            worker.until_ready()
            produce(kafka.bootstrap, shop.clicks, [shop.click(1, "view", START, street=SECRET.decode())])
            worker.until_caught_up(shop.sources)
            assert holds(kafka.folder, changelog)
            produce(kafka.bootstrap, shop.clicks, [shop.click(1, "view", START + 1, street="")])
            worker.until_caught_up(shop.sources)
            eventually(lambda: not holds(kafka.folder, changelog), "the value is gone from Kafka's files")
            assert worker.stop() == 0
        with shop.worker() as heir:
            heir.until_ready()  # it reads what was written so that Kafka compacts
            assert heir.stop() == 0
