"""The fault campaign: what can go wrong is tried. `python -m faults` prints tried, survived, lost."""
