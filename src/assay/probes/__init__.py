"""Small readers of the machine: what it is, and what disturbed a measurement."""
