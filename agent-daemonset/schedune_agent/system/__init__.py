"""The audited place: the only code that starts programs, signals processes, opens sockets."""
