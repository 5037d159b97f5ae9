"""Tools and services that are no exchange, but give out trades of exchanges: a file each."""
