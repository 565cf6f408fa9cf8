"""Which features earn their cost?"""

from finops_plugin_revenue.features.analyzer import FeaturesAnalyzer

__all__ = ["FeaturesAnalyzer"]
