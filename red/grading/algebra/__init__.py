"""Answers compared symbolically, in processes that can be killed."""
