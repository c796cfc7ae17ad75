"""What a configuration asks for: runs, jobs, their needs, their cost and their state."""
