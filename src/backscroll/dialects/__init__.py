"""The two APIs in their own words: parse, render, render errors. No HTTP, no SQL."""
