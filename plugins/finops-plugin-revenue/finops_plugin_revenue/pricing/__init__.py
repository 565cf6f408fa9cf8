"""What should we charge?"""

from finops_plugin_revenue.pricing.analyzer import PricingAnalyzer

__all__ = ["PricingAnalyzer"]
