"""What figures were measured on."""

import datetime
import platform
import re
from pathlib import Path


def machine(options):
    """What the figures were measured on."""
    model = (
        re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        if Path("/proc/cpuinfo").exists()
        else None
    )
    return {
        "cpu": model.group(1) if model else platform.processor(),
        "threads": options.threads,
        "device": options.device,
        "python": platform.python_version(),
        "system": platform.system(),
        "date": datetime.date.today().isoformat(),
    }
