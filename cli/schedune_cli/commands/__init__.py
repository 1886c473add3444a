"""The commands: each reads its options, asks, and tells. What they ask is elsewhere."""
