"""What the machine does while a worker runs: utilisation, clocks, temperature, throttling, power, energy."""
