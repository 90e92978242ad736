"""Types of the compiled `_profile`; the essay is in `_profile.pyx`."""

from typing import final

@final
class Profile: ...
