"""What people run: the server, the replay, the demo, the snapshots."""
