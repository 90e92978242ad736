"""Types of the compiled `_fetch_answer`; the essay is in `_fetch_answer.pyx`."""

_Aborted = list[tuple[int, int]] | None
_Partition = tuple[int, int, int, int, int, _Aborted, int, bytes | None]

def read_answer(data: bytes, at: int) -> tuple[int, int, int, list[tuple[str, list[_Partition]]]]: ...
