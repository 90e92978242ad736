"""Counts per customer, packed: of many customers few have many, and most none.

Customers are rows, numbered as they come. A row's count is a byte in a page of 256 rows, made when one of
them is first counted; what is over 255 stands beside. So a rule that reaches everybody costs 1.8 bytes a
customer, and one that reaches somebody here and there about 400 a customer.
Tested by tests/authoring/backtest/test_packed_counts.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

ROWS = 256  # of a page
FULL = 255  # what a byte holds


class PackedCounts:
    """How often each row was counted."""

    __slots__ = ("_more", "_pages")

    def __init__(self) -> None:
        self._pages: dict[int, bytearray] = {}
        self._more: Counter[int] = Counter()  # beyond what a byte holds

    def add(self, row: int) -> None:
        number, at = divmod(row, ROWS)
        page = self._pages.get(number)
        if page is None:
            page = self._pages[number] = bytearray(ROWS)
        if page[at] < FULL:
            page[at] += 1
        else:
            self._more[row] += 1

    def __getitem__(self, row: int) -> int:
        page = self._pages.get(row // ROWS)
        return 0 if page is None else page[row % ROWS] + self._more.get(row, 0)

    def distribution(self) -> Counter[int]:
        """How many rows have each count that is not 0."""
        found: Counter[int] = Counter()
        for page in self._pages.values():
            found.update(page)
        del found[0]
        found[FULL] -= len(self._more)
        found.update(FULL + more for more in self._more.values())
        return +found

    @property
    def rows(self) -> int:
        """How many rows have been counted at all."""
        return self.distribution().total()


def quantile(distribution: Counter[int], share: float) -> int:
    """The smallest count that at least `share` of the rows do not pass, by nearest rank; 0 of no rows."""
    rank, passed = share * distribution.total(), 0
    for count in sorted(distribution):
        passed += distribution[count]
        if passed >= rank:
            return count
    return 0


def lines(distribution: Counter[int], most: int) -> Iterator[tuple[int, int, int]]:
    """(from, to, rows): each count by itself up to `most` lines, else in steps that double."""
    first, last, step = 1, max(distribution, default=0), 1
    while first <= last:
        end = min(first + step - 1, last)
        yield first, end, sum(rows for count, rows in distribution.items() if first <= count <= end)
        first = end + 1
        step = step * 2 if last > most else 1
