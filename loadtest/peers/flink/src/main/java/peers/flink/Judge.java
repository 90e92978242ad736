package peers.flink;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import peers.common.Customer;
import peers.common.Event;
import peers.common.Progress;
import peers.common.Rules;
import peers.common.Trigger;

/** The rules on one customer's events. A customer has one timer at most, for the oldest cart that waits. */
final class Judge extends KeyedProcessFunction<String, Event, Trigger> {
    private static final long serialVersionUID = 1;

    private final Rules rules;
    private transient ValueState<Customer> customers;

    Judge(Rules rules) {
        this.rules = rules;
    }

    @Override
    public void open(OpenContext context) {
        customers = getRuntimeContext()
                .getState(new ValueStateDescriptor<>("customer", CustomerSerializer.INSTANCE));
    }

    @Override
    public void processElement(Event event, Context context, Collector<Trigger> out) throws Exception {
        Customer customer = customers.value();
        if (customer == null) {
            customer = new Customer();
            customers.update(customer); // later changes are made in place, which state on the heap allows
        }
        long due = customer.due();
        customer.apply(
                event,
                context.timerService().currentWatermark(),
                rules,
                (rule, id, at) -> out.collect(Trigger.of(rule, event.customer, id, at)));
        if (customer.due() < due) {
            context.timerService().registerEventTimeTimer(customer.due());
        }
        Progress.count();
    }

    @Override
    public void onTimer(long time, OnTimerContext context, Collector<Trigger> out) throws Exception {
        Customer customer = customers.value();
        customer.judge(time, rules, (rule, id, at) ->
                out.collect(Trigger.of(rule, context.getCurrentKey(), id, at)));
        if (customer.due() != Customer.NEVER) {
            context.timerService().registerEventTimeTimer(customer.due());
        }
    }
}
