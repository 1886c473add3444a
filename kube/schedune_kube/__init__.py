"""The only code that speaks HTTP to the API server: client, reflector, lease, events.

Adapters for what Schedune needs, not a general client.
"""
