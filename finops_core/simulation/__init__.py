"""What patterns build with: customers, a calendar, and the base class that turns factors into calls."""

from finops_core.simulation.calendar import Calendar
from finops_core.simulation.customers import Customers
from finops_core.simulation.run import Event, Run
from finops_core.simulation.simulator import AICallSimulator

__all__ = ["AICallSimulator", "Calendar", "Customers", "Event", "Run"]
