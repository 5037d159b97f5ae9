"""The tables of Postgres as plain SQL files, applied in the order of their names."""
