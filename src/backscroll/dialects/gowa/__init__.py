"""GOWA's API: parsing requests, rendering answers and errors."""
