"""What graphs cost on devices: the roofline of their classes of operations, times a learned residual."""
