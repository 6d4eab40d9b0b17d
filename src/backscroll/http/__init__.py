"""The server: routes, credentials, and the wire."""
