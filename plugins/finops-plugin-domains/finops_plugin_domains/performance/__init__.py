"""Which model gives what speed for what money?"""

from finops_plugin_domains.performance.analyzer import PerformanceAnalyzer

__all__ = ["PerformanceAnalyzer"]
