"""Serving language models: latencies by users on a set-up of devices, and which set-up to rent for how many users."""
