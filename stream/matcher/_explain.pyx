"""Why a rule fired or not for one customer: each condition that the loop judges, conjunct by conjunct.

The loop has one of these only while somebody asks (`PartitionState.explain`); otherwise it costs a
comparison with None. What is told is judged once more for the telling, by nodes of the same compiler in a
frame of its own, at the same moment: the loop's own verdicts, and what it counts, are as without it.

    where       of the first step, of every rule that begins with such an event, found by the index or not
    step 2, …   of a later step, and `unless`, of rules that wait for an event of the name
    if          when the rule would fire

and of no rule:

    trait NAME      the `where` of a trait that the event is of
    segment NAME    where one of the above has asked for it
    suppress        of the policy, when an `if` has held; `suppress NAME`: of a channel of the rule
    dedupe SOURCE   of an event that was left out, its id

A condition is told as a tree: its conjuncts, of a conjunct that is `||`, `&&` or `!` what it joins, and of a
segment that it asks for the segment's own conjuncts. Of each it is told what it came to and what it read.
Tested by tests/matcher/test_explain.py.
"""

cimport cython
from libc.stdint cimport int64_t

from stream.events._value cimport ABSENT
from stream.matcher._condition cimport Names
from stream.matcher._frame cimport VERDICT_FALSE, VERDICT_TRUE, Frame, Node
from stream.matcher._program cimport RulePlan, Plan, Program, StepPlan

from stream.matcher._condition import compile_condition
from stream.errors import InternalError
from stream.cel.functions import written
from stream.cel.tree import Call, paths_of
from stream.expression import terms_of, unparse
from stream.structs import Judgement, Seen, Term

cdef dict OUTCOMES = {1: "true", 0: "false", -1: "error"}
cdef tuple JOINS = ("_||_", "_&&_", "!_")
cdef str SEGMENTS = "segments."


@cython.final
cdef class Part:
    """`paths`: (text, Node) of all that it reads. `parts`: what it joins, or what a segment asks."""


@cython.final
cdef class Explainer:
    def __cinit__(self, str customer not None, tell, Program program not None):
        self.customer, self.tell, self.program = customer, tell, program
        self.prepared = {}
        self.frame = Frame()
        self.frame.adopt(program.segment_nodes)

    cdef int tell_wheres(self, Plan plan, Frame frame) except -1:
        cdef RulePlan rule
        for trait in self.program.rules.traits:
            if trait.where is not None and plan.name in trait.of:
                where = self.program.rules.predicates[trait.where]
                self.tell_trees("", f"trait {trait.name}", [where], (), frame)
        for rule in plan.candidates:
            self.tell_rule(rule, "where", [self.predicate(rule.steps[0])], frame)
        return 0

    cdef int tell_step(self, RulePlan rule, int step, Frame frame) except -1:
        """`step`: how many are done; if all of them, it is the `unless`."""
        cdef tuple steps = rule.definition.steps
        if step < len(steps):
            trees = [self.predicate(rule.steps[step]), steps[step].compares]
            return self.tell_rule(rule, f"step {step + 1}", trees, frame)
        trees = [self.predicate(rule.unless), rule.definition.unless.compares]
        return self.tell_rule(rule, "unless", trees, frame)

    cdef int tell_if(self, RulePlan rule, Frame frame) except -1:
        suppress = self.program.rules.policy.suppress
        if not self.tell_rule(rule, "if", [rule.definition.condition], frame):
            return 0
        if suppress is not None:
            self.tell_trees("", "suppress", [suppress], (), frame)
        for channel in rule.definition.channels:
            if channel.suppress is not None:
                self.tell_trees("", f"suppress {channel.name}", [channel.suppress], (), frame)
        return 0

    cdef int tell_repeat(self, str source, str name, str id, int64_t at) except -1:
        self.tell(Judgement("", f"dedupe {source}", name, at, False, (Term(id, "false"),)))
        return 0

    cdef object predicate(self, StepPlan step):
        return None if step.where < 0 else self.program.rules.predicates[step.where]

    cdef bint tell_rule(self, RulePlan rule, str part, list trees, Frame frame) except -1:
        """Whether it holds."""
        cdef tuple called = tuple([step.name for step in rule.definition.steps]) if rule.captures else ()
        return self.tell_trees(rule.definition.name, part, trees, called, frame)

    cdef bint tell_trees(self, str rule, str part, list trees, tuple called, Frame frame) except -1:
        cdef int held
        cdef list told = []
        self.frame.see(frame.record, frame.event)
        self.frame.name, self.frame.customer, self.frame.captured = frame.name, frame.customer, frame.captured
        self.frame.time, self.frame.at = frame.time, frame.at
        self.frame.begin()
        self.frame.refill()
        for tree in trees:
            if tree is not None:
                told += [self.came(each) for each in self.parts(tree, called)]
        self.frame.see(None, None)
        self.frame.customer = self.frame.captured = None
        holds = all([term.outcome == "true" for term in told])
        self.tell(Judgement(rule, part, frame.name, frame.at, holds, tuple(told)))
        for slot, segment in enumerate(self.program.rules.segments):
            if self.frame.verdicts[slot] in (VERDICT_FALSE, VERDICT_TRUE):
                held = self.frame.verdicts[slot] == VERDICT_TRUE
                self.tell(Judgement("", f"segment {segment.name}", frame.name, frame.at, held == 1, ()))
        return holds

    cdef object came(self, Part part):
        """What a part came to, now."""
        cdef list seen = [], inner = [self.came(each) for each in part.parts]
        for path, node in part.paths:
            value = (<Node> node).value(self.frame)
            seen.append(Seen(path, None if value is ABSENT else written(value)))
        return Term(part.text, OUTCOMES[part.node.test(self.frame)], tuple(seen), tuple(inner))

    cdef list parts(self, tree, tuple steps):
        """The conjuncts of a condition, prepared once. `steps`: the names of a rule's, which it may read."""
        cdef Py_ssize_t fields = len(self.program.fields)
        if (tree, steps) not in self.prepared:
            names = self.program.names_of(steps)
            self.prepared[tree, steps] = [self.prepare(each, names) for each in terms_of("_&&_", tree)]
            if len(self.program.fields) != fields:
                raise InternalError("a part of a condition reads a field that the condition does not")
        return self.prepared[tree, steps]

    cdef Part prepare(self, tree, Names names):
        cdef Part part = Part()
        cdef list paths = list(dict.fromkeys(paths_of(tree)))
        part.text, part.node = unparse(tree), compile_condition(tree, names)
        part.paths = [(unparse(path), compile_condition(path, names)) for path in paths]
        if isinstance(tree, Call) and tree.function in JOINS:
            joined = tree.args if tree.function == "!_" else terms_of(tree.function, tree)
            part.parts = [self.prepare(each, names) for each in joined]
            return part
        part.parts = []
        for segment in self.program.rules.segments:
            if SEGMENTS + segment.name in [text for text, _ in part.paths]:
                part.parts += self.parts(segment.condition, ())
        return part
