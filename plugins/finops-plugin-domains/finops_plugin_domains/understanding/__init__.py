"""What do we spend, on what, and what next?"""

from finops_plugin_domains.understanding.analyzer import UnderstandingAnalyzer

__all__ = ["UnderstandingAnalyzer"]
