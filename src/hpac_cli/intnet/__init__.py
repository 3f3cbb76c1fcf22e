"""The integer network HPAC: focus, layers, distributions, weights, and backends that agree."""
