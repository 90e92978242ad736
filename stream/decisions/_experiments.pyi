"""Types of the compiled `_experiments`; the essay is in `experiments.py`."""

from collections.abc import Sequence

from stream.rules.model import Share, Variant

def is_held_out(customer: str, salt: str, share: Share) -> bool: ...
def variant_of(customer: str, rule: str, variants: Sequence[Variant]) -> Variant: ...
