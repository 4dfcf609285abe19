"""Learning Sidecar: learns which arm to use, within declared budgets and latencies."""

__version__ = "0.1.0"
