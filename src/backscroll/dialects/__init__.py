"""The APIs' own formats: parsing requests, rendering answers and errors. No HTTP, no SQL."""
