"""Recording what clients send through a gateway for which this server is a proxy."""
