"""The vocabulary: every code that Schedune ever gives, in one table.

A code says one thing, is appended and never renamed. From its row come conditions,
Events, texts, metric labels and the reference page.
"""
