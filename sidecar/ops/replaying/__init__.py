"""What would have happened on this traffic: a log is replayed against a running service."""
