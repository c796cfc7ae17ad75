"""The local engine's Qwen2 and Llama, checkpoints, model cards, and passes for log-probabilities and entropies."""
