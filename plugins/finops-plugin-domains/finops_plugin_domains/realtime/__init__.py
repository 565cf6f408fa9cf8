"""What is going wrong now, and who is it?"""

from finops_plugin_domains.realtime.analyzer import RealtimeAnalyzer

__all__ = ["RealtimeAnalyzer"]
