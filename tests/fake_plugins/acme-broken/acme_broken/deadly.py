"""Plugins that a process does not survive, or never ends with."""

import os
import signal
import subprocess
import sys
import time

from finops_core import AICallSimulator, Analyzer, hookimpl


class Dies(AICallSimulator):
    """Ends the process after its first batch."""

    num_customers: int = 3

    @hookimpl
    def generate_calls(self, run):
        yield next(iter(super().generate_calls(run)))
        os._exit(0)


class HangsHalfway(AICallSimulator):
    """Never makes its second batch, and has a child that lives as long."""

    num_customers: int = 3

    @hookimpl
    def generate_calls(self, run):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("child", child.pid)
        yield next(iter(super().generate_calls(run)))
        print("asleep")
        time.sleep(600)


class Deadly(Analyzer):
    """What the others do when they are asked."""

    report_name = "deadly"
    title = "Deadly"

    def deed(self):
        """Called instead of an analysis."""

    @hookimpl
    def analyze(self, calls):
        self.deed()
        return self.empty()


class Crashes(Deadly):
    """Has a segmentation fault."""

    def deed(self):
        sys.stdout.write("it was fine until here")
        os.kill(os.getpid(), signal.SIGSEGV)


class Quits(Deadly):
    """Leaves without a word."""

    def deed(self):
        os._exit(5)


class Hangs(Deadly):
    """Waits for something that does not happen."""

    def deed(self):
        time.sleep(600)


class EatsMemory(Deadly):
    """Takes 64 MiB at a time, and never has enough."""

    def deed(self):
        eaten = []
        while True:
            eaten.append(b"x" * (64 << 20))


class Whispers(Deadly):
    """Prints past Python, and asks a person who is not there."""

    def deed(self):
        os.write(1, b"straight to the terminal\n")
        subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
        print("asked:", repr(sys.stdin.read()))
