"""How a placement lives: the states and their moves, and what the workload is told."""
