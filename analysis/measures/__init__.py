"""Numbers computed from the collected tables."""
