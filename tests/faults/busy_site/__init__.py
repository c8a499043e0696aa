"""Faults of the web process, PostgreSQL and Redis while the engine is busy. All modules share one stack."""
