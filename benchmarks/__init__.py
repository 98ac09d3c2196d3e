"""Measurements, each with the machine it was taken on. They write `benchmarks/results.md`."""
