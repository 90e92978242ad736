"""Types of the compiled `_messages`; the essay is in `_messages.pyx`."""

from typing import final

@final
class TextPart: ...

@final
class MessageField: ...

@final
class Message: ...
