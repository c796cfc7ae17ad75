"""The tiny world: generated reasoning problems that a model of 0.1 M parameters can learn.

Problems are chains of whole-number operations with every value in 0..99. The base model writes short
run-on solutions with slips; the teacher writes longer ones that decompose hard steps and re-check.
"""
