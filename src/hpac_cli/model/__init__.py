"""The network as data: its shape, layers, weights, tables and adapters, all of them integers; no arithmetic of it."""
