"""A real node in namespaces of its own: kubelet, containerd, and images from our Dockerfile."""
