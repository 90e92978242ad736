"""What a hostile or careless outsider can send, as tables: an input, and the promise that must hold.

A file for each surface: records, sizes, clocks, consents, rule files, templates, conditions, HTTP, topics,
changelog bytes, settings, and what it costs (`test_work`). Each row is one test, named after what it did
to a user. `live/` holds those on a real Kafka. The summary counts them. `STREAM_ATTACKS=long`
(`make attacks`) adds floods.
"""
