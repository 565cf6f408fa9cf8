"""Which customers lose money?"""

from finops_plugin_revenue.profitability.analyzer import ProfitabilityAnalyzer

__all__ = ["ProfitabilityAnalyzer"]
