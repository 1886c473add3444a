"""The acting process on a node: publishes its truth, and carries out its placements.

Nothing here decides where a VM goes. VMs outlive this process.
"""

__version__ = "0.1.0"
