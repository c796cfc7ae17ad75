"""Estimators, intervals and paired tests: arrays in, numbers out."""
