"""One partition's life, for any stage: lane, checkpoints, restore, take-over, recovery.

Doors: `failures`, `lane`, `ledger`, `outbox`, `partition_store`, `restore`, `rocksdb`, `table`, `takeover`,
`transport`, `watchdog`.
"""
