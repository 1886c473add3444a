"""Workloads judged against a fleet, and the result in the form in which it is told."""
