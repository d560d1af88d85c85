"""What one's own store foretells: how known machines differ from their roofline, by engine and family."""
