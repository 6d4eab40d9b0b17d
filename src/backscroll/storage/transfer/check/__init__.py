"""The archive compared with itself: what does not hold is named, and what can be rebuilt is rebuilt."""
