"""The HTTP server: routes, credentials, requests and answers."""
