"""How each family is trained: its head, its loss, and batches that can be learned."""
