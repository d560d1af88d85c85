"""Advice with the numbers behind it: rules over what the store holds. No evidence, no advice."""
