"""A demo fleet on the gateway simulator, for demonstrations, benchmarks and tests."""
