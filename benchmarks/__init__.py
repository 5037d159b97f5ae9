"""Benchmarks: one file each, run by ``python -m benchmarks.NAME``."""
