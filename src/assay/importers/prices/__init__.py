"""Others' price lists into prices of the catalogue.

Which columns say what is in ``columns``, which device a row means in ``devices``, the file in ``read``. All of them are
CSV with a header, so a format is no more than its columns, as data. May import: core, catalog, importers.
"""
