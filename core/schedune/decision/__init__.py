"""The decision and its explanation: (fleet, intent, now) in, all reasons out."""
