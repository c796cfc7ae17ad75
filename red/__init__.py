"""RED: Recall-Extend Dynamics and every method it is compared with, under one objective."""

__version__ = "0.1.0"
