"""Ways in which batches of samples come to be: generated, cut, read, decoded, tokenised. Data without a model."""
