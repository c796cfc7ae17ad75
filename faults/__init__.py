"""The fault campaign: everything that can go wrong, tried; `python -m faults` prints tried, survived, lost."""
