"""A fleet for demonstrations, benchmarks and tests, on the gateway simulator."""
