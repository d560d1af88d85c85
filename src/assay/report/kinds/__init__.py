"""Kinds of reports: one file each, registered with ``report_kinds``."""
