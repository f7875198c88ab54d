"""What each stage was to do, declared before its first run, and what was changed after figures had been seen."""

from sweeps.evidence.declaration.content import DECLARING
from sweeps.evidence.declaration.record import Amendment, Declaration, declared_now, declared_stages

__all__ = ["DECLARING", "Amendment", "Declaration", "declared_now", "declared_stages"]
