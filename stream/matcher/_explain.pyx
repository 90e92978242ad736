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
    suppress        of the policy, when an `if` has held
    dedupe SOURCE   of an event that was left out, its id

Of a conjunct that does not hold it is told what it read.
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
from stream.cel.tree import paths_of
from stream.expression import terms_of, unparse
from stream.structs import Judgement, Seen, Term

cdef dict OUTCOMES = {1: "true", 0: "false", -1: "error"}


@cython.final
cdef class Explainer:
    def __cinit__(self, str customer not None, tell, Program program not None):
        self.customer, self.tell, self.program = customer, tell, program
        self.terms = {}
        self.frame = Frame()
        self.frame.adopt(program.segment_nodes)

    cdef int tell_wheres(self, Plan plan, Frame frame) except -1:
        cdef RulePlan rule
        for trait in self.program.rules.traits:
            if trait.where is not None and plan.name in trait.of:
                where = self.program.rules.predicates[trait.where]
                self.tell_terms("", f"trait {trait.name}", [where], (), frame)
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
        if self.tell_rule(rule, "if", [rule.definition.condition], frame) and suppress is not None:
            self.tell_terms("", "suppress", [suppress], (), frame)
        return 0

    cdef int tell_repeat(self, str source, str name, str id, int64_t at) except -1:
        self.tell(Judgement("", f"dedupe {source}", name, at, False, (Term(id, "false"),)))
        return 0

    cdef object predicate(self, StepPlan step):
        return None if step.where < 0 else self.program.rules.predicates[step.where]

    cdef bint tell_rule(self, RulePlan rule, str part, list trees, Frame frame) except -1:
        """Whether it holds."""
        cdef tuple called = tuple([step.name for step in rule.definition.steps]) if rule.captures else ()
        return self.tell_terms(rule.definition.name, part, trees, called, frame)

    cdef bint tell_terms(self, str rule, str part, list trees, tuple called, Frame frame) except -1:
        cdef int held
        cdef list told = []
        self.frame.see(frame.record, frame.event)
        self.frame.name, self.frame.customer, self.frame.captured = frame.name, frame.customer, frame.captured
        self.frame.time, self.frame.at = frame.time, frame.at
        self.frame.begin()
        self.frame.refill()
        for tree in trees:
            for text, node, paths in self.nodes(tree, called) if tree is not None else ():
                held = (<Node> node).test(self.frame)
                told.append(Term(text, OUTCOMES[held], () if held == 1 else self.seen(paths)))
        self.frame.see(None, None)
        self.frame.customer = self.frame.captured = None
        holds = all([term.outcome == "true" for term in told])
        self.tell(Judgement(rule, part, frame.name, frame.at, holds, tuple(told)))
        for slot, segment in enumerate(self.program.rules.segments):
            if self.frame.verdicts[slot] in (VERDICT_FALSE, VERDICT_TRUE):
                held = self.frame.verdicts[slot] == VERDICT_TRUE
                self.tell(Judgement("", f"segment {segment.name}", frame.name, frame.at, held == 1, ()))
        return holds

    cdef tuple seen(self, list paths):
        """What the paths give now."""
        cdef list found = []
        for path, node in paths:
            value = (<Node> node).value(self.frame)
            found.append(Seen(path, None if value is ABSENT else written(value)))
        return tuple(found)

    cdef list paths(self, term, Names names):
        """(text, node) of each path that a term reads, once."""
        return [
            (unparse(path), compile_condition(path, names)) for path in dict.fromkeys(paths_of(term))
        ]

    cdef list nodes(self, tree, tuple steps):
        cdef Names names
        cdef Py_ssize_t fields = len(self.program.fields)
        if (tree, steps) not in self.terms:
            names = self.program.names_of(steps)
            self.terms[tree, steps] = [
                (unparse(term), compile_condition(term, names), self.paths(term, names))
                for term in terms_of("_&&_", tree)
            ]
            if len(self.program.fields) != fields:
                raise InternalError("a part of a condition reads a field that the condition does not")
        return self.terms[tree, steps]
