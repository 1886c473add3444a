"""The commands on a node for what a guest writes on its console."""
