"""Benchmarks, one per file; run one by ``python -m benchmarks.NAME``."""
