"""What could we save, and how sure is it?"""

from finops_plugin_domains.optimization.analyzer import OptimizationAnalyzer

__all__ = ["OptimizationAnalyzer"]
