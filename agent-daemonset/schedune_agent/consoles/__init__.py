"""The commands on a node that show what a guest wrote on its console."""
