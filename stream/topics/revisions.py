"""What each revision of the rules said, in the compacted topic `<app-id>-rules`: key the revision, for ever.

Written before anything is decided by a rule set, so that every decision's revision can be read.
Tested by tests/topics/test_revisions.py, and on a real Kafka by tests/integration/test_topics.py.
"""

from __future__ import annotations

import json

from stream import __version__
from stream.rules.definitions import definitions
from stream.rules.model import RuleSet
from stream.settings import Settings
from stream.topics.records import write


async def publish(settings: Settings, rules: RuleSet) -> None:
    """Write the definitions, and wait until Kafka has them. Raises TopologyError, BrokerError."""
    topic = settings.own_topics.rules
    said = {**definitions(rules), "version": __version__}
    value = json.dumps(said, ensure_ascii=True, separators=(",", ":")).encode()
    what = f"the rules' definitions cannot be written to {topic}"
    await write(settings, topic, rules.revision.encode(), value, what)
