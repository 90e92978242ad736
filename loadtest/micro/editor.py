"""How long an editor waits for `stream lsp`: completion, hover and a check, with many rules.

`python -m loadtest.micro.editor [--rules 500] [--rounds 20]`: minimum, median and maximum in CPU time.
As many rules lie in one file as it may have, and the place is in its last rule. `check` is what a change
costs in the background, with that file read anew and the others as they were.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import count
from pathlib import Path

from loadtest.micro import check_rules
from loadtest.micro.check_rules import measure, write_rules
from stream.authoring.editor.completion import complete
from stream.authoring.editor.folder import RulesFolder
from stream.authoring.editor.hover import hover
from stream.authoring.editor.symbols import symbols
from stream.authoring.editor.uses import found_in, name_at

MOST = 500  # rules of one file: 20,000 values are the most
LAST = """\
  last:
    on: add_to_cart
    if: traits.views_7d[event.category] > 3 && event.
    send: {channel: email, content: {subject: "{{ event.name | }}"}}
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rules", type=int, default=500)
    options.add_argument("--rounds", type=int, default=20)
    given = options.parse_args()
    check_rules.PER_FILE = MOST
    with tempfile.TemporaryDirectory() as directory:
        write_rules(Path(directory), given.rules)
        folder = RulesFolder(Path(directory))
        path = max(Path(directory).glob("rules-*.yaml"))
        text = path.read_text() + LAST
        folder.put(path, text)
        field, trait, used = (
            text.rindex("event.\n") + 6,
            text.rindex("views_7d"),
            text.rindex("{{ event.name |") + 15,
        )
        names = folder.names
        assert len(names.files.rules) == given.rules + 1
        measure("complete a field", lambda: complete(text, field, names), given.rounds)
        measure("complete a filter", lambda: complete(text, used, names), given.rounds)
        measure("hover a trait", lambda: hover(text, trait, names), given.rounds)
        measure("outline", lambda: symbols(text), given.rounds)
        named = name_at(text, trait, names)
        assert named is not None
        measure("uses of a trait", lambda: found_in(folder.roots()[0], named.named), given.rounds)
        changes = count()

        def changed() -> None:
            folder.put(path, f"{text}# {next(changes)}\n")
            folder.check()

        measure("check", changed, max(3, given.rounds // 5))


if __name__ == "__main__":
    main()
