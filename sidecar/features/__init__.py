"""What is known about a request and about an arm's recent behaviour."""
