"""Kubernetes: puts the sidecar into pods, by a mutating webhook or into manifests; docs/kubernetes.md describes it."""
