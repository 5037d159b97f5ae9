"""Raw files for the landing zone: trades that exchanges and tools give out, and the sample's made-up trades."""
