"""The dashboard and the REST API: what is in the store, over HTTP."""
