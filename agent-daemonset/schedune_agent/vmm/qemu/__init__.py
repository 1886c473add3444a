"""QEMU: argv, QMP, and what its run states mean."""
