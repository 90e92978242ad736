"""`stream lsp`: what an editor can ask for, and how it is answered in the protocol's words.

Each answer is worked out from a text and a place by a module that knows no protocol. They are quick, so each
is given at once, in the order of the questions; what is not a rule file gets none.
Tested by tests/integration/test_language_server.py.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from lsprotocol import types
from pygls.exceptions import JsonRpcInvalidParams

from stream.authoring.editor import pages
from stream.authoring.editor.around import around, seen_at
from stream.authoring.editor.completion import Kind, Proposal, complete
from stream.authoring.editor.fixes import fix_of
from stream.authoring.editor.forms_at import without_placeholders
from stream.authoring.editor.hover import hover, part_at
from stream.authoring.editor.places import place_at
from stream.authoring.editor.positions import Lines
from stream.authoring.editor.roles import role_of
from stream.authoring.editor.server import OpenPlace, RulesServer, say, span
from stream.authoring.editor.symbols import Symbol, symbols
from stream.authoring.editor.uses import (
    RENAMED,
    NameUse,
    NotRenamedError,
    found_in,
    name_at,
    planned_field,
    renamed,
)
from stream.diagnostics import Diagnostic
from stream.structs import OwnTopics

_KINDS: dict[Kind, types.CompletionItemKind] = {
    "field": types.CompletionItemKind.Field,
    "variable": types.CompletionItemKind.Variable,
    "function": types.CompletionItemKind.Function,
    "filter": types.CompletionItemKind.Function,
    "name": types.CompletionItemKind.Reference,
    "key": types.CompletionItemKind.Property,
    "value": types.CompletionItemKind.Value,
    "snippet": types.CompletionItemKind.Snippet,
}
_SYMBOLS = {
    "sources": types.SymbolKind.Interface,
    "events": types.SymbolKind.Event,
    "traits": types.SymbolKind.Variable,
    "segments": types.SymbolKind.Boolean,
    "channels": types.SymbolKind.Interface,
    "rules": types.SymbolKind.Function,
    "tests": types.SymbolKind.Method,
}


def server(named: Path | None, own: OwnTopics) -> RulesServer:
    """The server, with everything that it can be asked. `named`: the rules' folder, if it is said."""
    made = RulesServer(named, own)
    _follow(made)
    _help(made)
    _navigate(made)
    return made


def serve(named: Path | None, own: OwnTopics) -> None:
    """Answers an editor over standard input and output, until it goes."""
    logger = logging.getLogger("pygls")
    logger.handlers, logger.propagate = [_QuietLog(logging.ERROR)], False
    server(named, own).start_io()


class _QuietLog(logging.Handler):
    """What pygls logs quotes messages, and so files: that something happened is all that is passed on."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"pygls, {record.funcName}", record.exc_info[1] if record.exc_info else None)


# ---- what the editor tells ----


def _follow(made: RulesServer) -> None:
    @made.feature(types.INITIALIZE)
    def _(params: types.InitializeParams) -> None:
        options = params.initialization_options
        made.configure(options if isinstance(options, dict) else {})

    @made.feature(types.INITIALIZED)
    def _(params: types.InitializedParams) -> None:
        made.watch_files()

    @made.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def _(params: types.DidOpenTextDocumentParams) -> None:
        made.put(params.text_document.uri, params.text_document.text)

    @made.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def _(params: types.DidChangeTextDocumentParams) -> None:
        whole = [
            change.text
            for change in params.content_changes
            if isinstance(change, types.TextDocumentContentChangeWholeDocument)
        ]
        if whole:
            made.put(params.text_document.uri, whole[-1])

    @made.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def _(params: types.DidCloseTextDocumentParams) -> None:
        made.drop(params.text_document.uri)

    @made.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def _(params: types.DidSaveTextDocumentParams) -> None:
        made.again_all()

    @made.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def _(params: types.DidChangeWatchedFilesParams) -> None:
        made.again_all()

    @made.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def _(params: types.DidChangeWorkspaceFoldersParams) -> None:
        made.regroup()


# ---- help while writing ----


def _help(made: RulesServer) -> None:
    triggers = types.CompletionOptions(trigger_characters=[".", "|", "{", "[", "'", '"'])

    @made.feature(types.TEXT_DOCUMENT_COMPLETION, triggers)
    def _(params: types.CompletionParams) -> types.CompletionList | None:
        at = made.at(params)
        if at is None:
            return None
        found = complete(at.text, at.offset, at.watched.rules.names, with_schema=made.with_keys)
        items = [_item(each, at.lines, snippets=made.takes_snippets) for each in found]
        return types.CompletionList(is_incomplete=False, items=items)

    @made.feature(types.TEXT_DOCUMENT_HOVER)
    def _(params: types.HoverParams) -> types.Hover | None:
        at = made.at(params)
        if at is None:
            return None
        said = hover(at.text, at.offset, at.watched.rules.names)
        # What the page says of the findings there comes below.
        parts = [said.markdown] if said else []
        here = (finding for finding, start, end in made.findings(at) if start <= at.offset <= end)
        parts += [part for each in here if (part := pages.parts().get(each.code.value))]
        if not parts:
            return None
        content = types.MarkupContent(types.MarkupKind.Markdown, "\n\n---\n\n".join(dict.fromkeys(parts)))
        return types.Hover(content, span(at.lines, said.start, said.end) if said else None)

    fixes = types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])

    @made.feature(types.TEXT_DOCUMENT_CODE_ACTION, fixes)
    def _(params: types.CodeActionParams) -> list[types.CodeAction]:
        at = made.at(params)
        if at is None:
            return []
        first = at.lines.offset(params.range.start.line, params.range.start.character)
        last = at.lines.offset(params.range.end.line, params.range.end.character)
        return [
            action
            for finding, start, end in made.findings(at)
            if start <= last and first <= end
            for action in _action(finding, at, params.text_document.uri, made)
        ]


def _action(finding: Diagnostic, at: OpenPlace, uri: str, made: RulesServer) -> Sequence[types.CodeAction]:
    fix = fix_of(finding, at.lines)
    if fix is None:
        return ()
    edit = types.TextEdit(span(at.lines, fix.start, fix.end), fix.new)
    return (
        types.CodeAction(
            title=fix.title,
            kind=types.CodeActionKind.QuickFix,
            diagnostics=[made.diagnostic(finding, at.lines, at.watched)],
            is_preferred=True,
            edit=types.WorkspaceEdit(changes={uri: [edit]}),
        ),
    )


def _item(proposal: Proposal, lines: Lines, *, snippets: bool) -> types.CompletionItem:
    is_snippet = proposal.is_snippet and snippets
    new = proposal.insert if is_snippet or not proposal.is_snippet else without_placeholders(proposal.insert)
    return types.CompletionItem(
        label=proposal.label,
        kind=_KINDS[proposal.kind],
        detail=proposal.detail or None,
        documentation=types.MarkupContent(types.MarkupKind.Markdown, proposal.says)
        if proposal.says
        else None,
        sort_text=f"{proposal.rank}{proposal.label}",
        filter_text=proposal.insert.partition(":")[0] if proposal.kind == "key" else proposal.label,
        insert_text_format=types.InsertTextFormat.Snippet if is_snippet else types.InsertTextFormat.PlainText,
        insert_text_mode=types.InsertTextMode.AsIs,
        text_edit=types.TextEdit(span(lines, proposal.start, proposal.end), new),
    )


# ---- where things are ----


def _navigate(made: RulesServer) -> None:
    @made.feature(types.TEXT_DOCUMENT_DEFINITION)
    def _(params: types.DefinitionParams) -> list[types.Location]:
        at = made.at(params)
        if at is None:
            return []
        return [made.of_use(use, at.watched) for use in _uses(at) if use.is_definition] or _field(at, made)

    @made.feature(types.TEXT_DOCUMENT_REFERENCES)
    def _(params: types.ReferenceParams) -> list[types.Location]:
        at = made.at(params)
        with_definition = params.context.include_declaration
        found = (
            [] if at is None else [each for each in _uses(at) if with_definition or not each.is_definition]
        )
        return [] if at is None else [made.of_use(use, at.watched) for use in found]

    @made.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def _(params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        at = made.at(params)
        return [] if at is None else [_symbol(each, at.lines) for each in symbols(at.text)]

    @made.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    def _(params: types.PrepareRenameParams) -> types.Range | None:
        at = made.at(params)
        found = None if at is None else name_at(at.text, at.offset, at.watched.rules.names)
        if at is None or found is None or found.named.noun not in RENAMED:
            return None
        return span(at.lines, found.start, found.end)

    @made.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    def _(params: types.RenameParams) -> types.WorkspaceEdit | None:
        at = made.at(params)
        return None if at is None else _renamed(at, params.new_name, made)


def _uses(at: OpenPlace) -> list[NameUse]:
    rules = at.watched.rules
    found = name_at(at.text, at.offset, rules.names)
    return [] if found is None else found_in(rules.roots()[0], found.named)


def _field(at: OpenPlace, made: RulesServer) -> list[types.Location]:
    """Where the tracking plan has the field of an event that a condition or a text names."""
    names, place = at.watched.rules.names, place_at(at.text, at.offset)
    role = role_of(place.path) if place.kind in ("value", "bare") else None
    part = part_at(at.text, at.offset, place, role) if role and role.kind in ("cel", "text") else None
    if part is None or len(part.path) < 2:
        return []
    seen = seen_at(place, around(at.text, place, names))
    on = seen.on if part.path[0] == "event" else (seen.steps or {}).get(part.path[0], ())
    return [made.place(each, at.watched) for each in planned_field(names, on, part.path[1:])]


def _renamed(at: OpenPlace, new: str, made: RulesServer) -> types.WorkspaceEdit:
    try:
        changes = _changes(at, new, made)
    except NotRenamedError as error:
        raise JsonRpcInvalidParams(str(error)) from None
    return types.WorkspaceEdit(changes=changes)


def _changes(at: OpenPlace, new: str, made: RulesServer) -> dict[str, Sequence[types.TextEdit]]:
    rules = at.watched.rules
    found = name_at(at.text, at.offset, rules.names)
    roots, broken = rules.roots()
    if found is None:
        raise NotRenamedError("there is no name here")
    if broken:
        raise NotRenamedError(f"{broken[0].name} cannot be read: names in it would be missed")
    uses = found_in(roots, found.named)
    lines = {use.location.file: made.lines(rules.text(Path(use.location.file)) or "") for use in uses}
    spans = renamed(found.named, new, uses, rules.names, lines)
    return {
        made.uri(Path(file)): [types.TextEdit(span(lines[file], *each), new) for each in places]
        for file, places in spans.items()
    }


def _symbol(symbol: Symbol, lines: Lines) -> types.DocumentSymbol:
    is_section = symbol.name == symbol.section
    kind = types.SymbolKind.Namespace if is_section else _SYMBOLS[symbol.section]
    return types.DocumentSymbol(
        name=symbol.name,
        kind=kind,
        range=span(lines, symbol.start, symbol.end),
        selection_range=span(lines, symbol.name_start, symbol.name_end),
        children=[_symbol(each, lines) for each in symbol.children],
    )
