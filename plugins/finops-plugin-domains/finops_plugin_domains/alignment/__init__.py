"""Who pays?"""

from finops_plugin_domains.alignment.analyzer import AlignmentAnalyzer

__all__ = ["AlignmentAnalyzer"]
