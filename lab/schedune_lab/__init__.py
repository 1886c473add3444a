"""The embedded lab: a real Kubernetes control plane, the operator, agents, the demo."""
