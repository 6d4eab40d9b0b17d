"""What was sent through a gateway that this server stands in front of."""
