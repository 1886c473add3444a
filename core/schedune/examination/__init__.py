"""One node looked at whole: what its truth says, what is missing, and what could be launched."""
