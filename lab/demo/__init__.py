"""Generates a demo fleet whose gateways are the simulator, for demonstrations, benchmarks and tests."""
