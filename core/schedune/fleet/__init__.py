"""What is known of the nodes, as columns: one immutable view for one decision."""
