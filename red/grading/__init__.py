"""The judge of a response against a gold answer, for rewards and for evaluation alike."""
