"""The command line: its commands live with the process they belong to."""
