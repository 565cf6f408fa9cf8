"""What plugin authors test with: small logs by hand, and the contracts of patterns and analyzers as checks.

A plugin's test can be as short as::

    from finops_core.testing import check_pattern

    def test_it_keeps_the_contract_of_patterns():
        check_pattern(WeekendSimulator)
"""

from finops_core.testing.analyzers import check_analyzer
from finops_core.testing.calls import calls_from
from finops_core.testing.patterns import check_pattern
from finops_core.testing.traffic import hourly_calls

__all__ = ["calls_from", "check_analyzer", "check_pattern", "hourly_calls"]
