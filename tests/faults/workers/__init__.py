"""Tests with killed or terminated workers, and with too many beats or none. All modules share one stack."""
