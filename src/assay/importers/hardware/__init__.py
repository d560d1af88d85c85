"""Others' tables of hardware, read as statements on devices: each with its file, its row and how sure its name is.

``read`` reads a file in a known format, ``formats`` knows them. Results that such tables hold (marks, throughput) are
no facts of a device and are not read here. May import: core, catalog, importers.
"""
