"""Kafka's own commands that mend a topic, as they can be pasted. Tested by tests/topics/test_fit.py."""


def set_topic(broker: str, topic: str, setting: str) -> str:
    """Give a topic a setting, written `name=value`."""
    at = f"kafka-configs.sh --bootstrap-server {broker} --alter"
    return f"{at} --entity-type topics --entity-name {topic} --add-config {setting}"


def add_partitions(broker: str, topic: str, partitions: int) -> str:
    """Have a topic so many partitions in all."""
    return f"kafka-topics.sh --bootstrap-server {broker} --alter --topic {topic} --partitions {partitions}"
