"""The conformance suite: scenarios as data, real sidecars, and a driver of each client that acts them out."""
