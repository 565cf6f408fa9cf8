"""The five FinOps domains as analyzers: understanding, performance, real-time, optimization, alignment."""
