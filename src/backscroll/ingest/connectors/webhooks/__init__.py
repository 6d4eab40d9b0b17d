"""What gateways push: one module for each sender, pure functions of a payload."""
