"""Probes: each observes one family of facts, within a deadline, and never raises."""
