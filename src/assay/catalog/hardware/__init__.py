"""The hardware catalogue: what makers say of their devices, each cell with its source, and which device a name means.

Import what you need from the modules: ``load`` (the table), ``match`` (names), ``environment`` (detected devices),
``check`` (is the table sound). May import: core.
"""
