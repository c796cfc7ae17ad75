"""Tables and figures, built from the collected tables only."""
