"""One partition's life, for any stage: lane, checkpoints, restore, take-over, recovery.

Doors: `app`, `checkpoint`, `stage`, `failures`, `rocksdb`, `takeover`.
"""
