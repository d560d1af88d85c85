"""What a device really gives: rates of arithmetic, bandwidths, overhead of an operation, measured with PyTorch."""
