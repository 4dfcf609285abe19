"""Several processes on one port: who holds the port, who starts them, and what they show together."""
