"""How the operator is seen from outside: metrics, readiness, the fleet page.

Nothing here decides or writes; what is told is read from what the operator knows anyway.
"""
