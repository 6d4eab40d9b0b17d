"""Two database engines behind one protocol. Nothing here knows what a message is."""
