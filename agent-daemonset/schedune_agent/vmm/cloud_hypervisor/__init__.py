"""Cloud Hypervisor: what a launch is for it, and how its processes are spoken to."""
