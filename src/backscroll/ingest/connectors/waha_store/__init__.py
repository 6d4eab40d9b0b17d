"""The stores of WAHA's engines NOWEB and GOWS."""
