"""`stream doctor`: whether a worker would run well here, and of each thing that is amiss what mends it.

    findings    what is found, as text and as JSON
    machine     this machine: disk, files, memory
    kafka       the cluster: brokers, their release, the clock, permissions
    topics      each topic: replication, settings, partitions that match
    placement   whether each customer's records are in one partition
    run         all of it in order, with what is left out where something else failed

Doors: `findings`, `run`.

Nothing is written but one empty file in STREAM_DATA_DIR, which is removed again.
"""
