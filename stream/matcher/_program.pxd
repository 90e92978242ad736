"""The rule set as the loop walks it; the essay is in `_program.pyx`."""

from libc.stdint cimport int64_t

from stream.events._event cimport Fields
from stream.matcher._condition cimport Names
from stream.matcher._frame cimport Node
from stream.matcher._index cimport Index, FieldIndex
from stream.state._layout cimport Layout
from stream.events._value cimport ValueC

cdef enum Again:
    AGAIN_UNSAID = 0    # begins anew unless it has gone beyond its first step
    AGAIN_RESTART = 1
    AGAIN_KEEP = 2

cdef enum Takes:        # of an event's field, by a trait's function
    TAKES_NOTHING = 0
    TAKES_NUMBER = 1
    TAKES_SCALAR = 2
    TAKES_KEY = 3
    TAKES_FIELDS = 4

cdef enum Does:         # an event, to a trait
    COUNTS = 0
    CLEARS = 1
    REMOVES = 2         # an element of a list

cdef enum:
    MOST_FIELDS = 10    # of an element of a list
    MOST_READ = 13      # of an element of an event's list: these, `per`, `key` and `field`
    MAX_ITEMS = 100     # elements of an event's list

cdef class Update:
    """A trait, as an event updates it."""
    cdef int does
    cdef int slot, takes, where
    cdef int items                  # a slot of the record: the list, to each of whose elements it is applied
    cdef tuple items_path
    cdef Fields element             # of these; None: it is applied to the event
    cdef int field, per, key        # slots of the record, or of the element; -1: it has none
    cdef int fields[MOST_FIELDS]    # the same, of an element of a list
    cdef int n_fields
    cdef tuple field_paths          # of these
    cdef Node value                 # what it takes in place of a field; None: it takes the field
    cdef object tree                # of which that is made
    cdef str read                   # what it reads, for people
    cdef tuple per_path, key_path   # None: it has none
    cdef tuple place                # definition and part that say what it takes

cdef class StepPlan:
    """A step, or an `unless`, as an event meets it."""
    cdef set names
    cdef int where                  # a predicate's number; -1: none
    cdef Node compares              # with earlier steps; None: it does not
    cdef int64_t within             # -1: without end
    cdef tuple fields               # what is kept of its event; None for all of it

cdef class RulePlan:
    """A rule, as an event meets it."""
    cdef int rank, again
    cdef list steps
    cdef StepPlan unless                # None: there is none
    cdef int64_t wait               # from the last step to the judgement, with that of `unless`
    cdef bint timed                 # it fires by a timer, not at once
    cdef object occasion            # by which a clock starts it; None: an event does
    cdef int64_t stale_after        # -1: never too old
    cdef object definition          # the rule, as in the rule set
    cdef str name, group            # of the rule; `group` None: it has none
    cdef int key                    # a slot of the record; -1: one instance a customer
    cdef bint captures              # a step has a name
    cdef Names names                # of its conditions
    cdef Node condition
    cdef dict read                  # what its plain texts read, by path (`value_paths`): Nodes
    cdef object sending             # what `decisions` have made of it; None before it fires
    cdef int verdict                # where the loop keeps what `condition` came to for an event; -1: nowhere

cdef class Plan:
    """What an event name can touch."""
    cdef str name
    cdef list updates
    cdef list candidates            # whose first step it can be, by rank
    cdef dict later                 # rank: RulePlan, one of whose later steps, or whose `unless`, it can be
    # Numbers of predicates of those, and of goals where clocks start rules; -1: any event of it is awaited.
    cdef list awaited
    cdef Index updates_of, candidates_of, awaited_of    # by the event: positions in the lists

    cdef int make_index(self, predicates, Fields fields) except -1

cdef class Program:
    cdef readonly object rules
    cdef readonly Layout layout
    cdef Fields fields              # what is read of a record
    cdef dict plans                 # event name: Plan
    cdef list planned               # its values
    cdef FieldIndex plans_by_name       # positions in `planned`
    cdef int verdicts               # how many the loop keeps of an event: of predicates, then of conditions
    cdef int widest                 # the size of the largest index
    cdef dict traits                # name: (slot, function, has `per`)
    cdef dict segments              # name: slot
    cdef list predicates, segment_nodes
    cdef Names event_names          # of the predicates
    cdef dict places                # predicate's number: [((definition, part), names of its events)]
    cdef list by_rank               # RulePlans
    cdef list clocks                # RulePlans that a clock starts
    cdef list silencing             # the rules that silence others, as they are judged
    cdef int64_t clock_mark         # a hash of these, and of the zone of who has none; 0: there are none
    cdef dict counters              # name: slot
    cdef Node suppress              # None: nothing is suppressed
    cdef dict channel_suppress      # Node, by the name of a channel that has one
    cdef dict names                 # names of steps: Names
    cdef dict conditions            # of rules without captured steps, by node: where its verdict is kept

    cdef Plan plan(self, str name)
    cdef Plan plan_of(self, const ValueC *name)     # None: nothing comes of events of this name
    cdef StepPlan step(self, each, tuple fields, names)
    cdef int note(self, int where, str definition, str part, names) except -1
    cdef int slot_of(self, path) except -2          # of a field path; -1 of None
    cdef Update update(self, trait, int does)
    cdef int add_trait(self, trait) except -1
    cdef int add_rule(self, rule, int rank) except -1

cdef Program program_of(rules)
