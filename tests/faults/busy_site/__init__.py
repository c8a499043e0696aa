"""The API, PostgreSQL and Redis under a busy engine: one stack for all modules of this folder."""
