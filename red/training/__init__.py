"""The training loop of every method under every engine, and what a step measures, guards and remembers."""
