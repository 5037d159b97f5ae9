"""Publish rows of mark 1 until killed, for test_sync_faults.py."""

from lakehouse import settings
from support.databases import Lake, lakes_in_memory

lake = Lake(settings.load())
lake.write_both(days=2000, mark=1)
for source in lake.sources.values():
    source.id = "of the other process"
with lakes_in_memory():
    print("ready", flush=True)
    lake.publish()
    print("done", flush=True)
