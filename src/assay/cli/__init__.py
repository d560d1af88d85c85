"""The command line: thin, one module a command group. The only layer that prints or exits."""
