"""The objective, the schedules and the rules of the methods held against worked numbers in a file."""
