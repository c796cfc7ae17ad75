"""Measurements of checkpoints: teacher-forced on fixed training prompts, and of their singular vectors."""
