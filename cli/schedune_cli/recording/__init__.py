"""What a fleet was when somebody looked: read from files or a cluster, written as a snapshot."""
