"""Teacher-forced measurements of checkpoints on fixed training prompts."""
