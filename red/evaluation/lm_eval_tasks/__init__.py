"""Tasks for lm-eval on local benchmark files; see tasks.py."""
