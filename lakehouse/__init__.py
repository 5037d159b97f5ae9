"""The ground that the other packages stand on: settings, errors, storage, the engine, Postgres and the sync.

It imports nothing else of the project.
"""
