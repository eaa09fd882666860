"""Measurements: `python -m benchmarks.speed` against PyTorch."""
