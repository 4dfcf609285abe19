"""gRPC: from messages to the engine and back. Decides nothing."""
