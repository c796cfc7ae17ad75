"""Benchmarks as data, and a checkpoint's answers to them, graded and summarized."""
