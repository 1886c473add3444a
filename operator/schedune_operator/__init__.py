"""The deciding process: turns intents into placements, and tells why.

Nothing here touches a host; whoever acts is on the node.
"""
