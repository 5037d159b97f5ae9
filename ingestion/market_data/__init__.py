"""Market data from outside: trades as exchanges and tools give them out become raw trades in the landing zone."""
