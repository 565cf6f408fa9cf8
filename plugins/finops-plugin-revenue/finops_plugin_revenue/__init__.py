"""Usage-based revenue as analyzers: profitability, pricing, feature economics."""
