"""Weights: the Qwen2 of the local engine, checkpoints, model cards, and passes that give log-probabilities and entropies."""
