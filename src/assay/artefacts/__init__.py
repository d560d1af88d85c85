"""What is made from a workload and kept: exported graphs, quantized ones, reference outputs, cost counts."""
