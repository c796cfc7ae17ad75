"""Weights: the local engine's Qwen2, checkpoints, model cards, and passes that give log-probabilities and entropies."""
