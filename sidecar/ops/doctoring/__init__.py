"""What `learning-sidecar doctor` looks at, one kind of thing in each module."""
