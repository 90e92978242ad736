package peers.streams;

import java.util.PriorityQueue;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import peers.common.Customer;
import peers.common.Event;
import peers.common.Progress;
import peers.common.Rule;
import peers.common.Rules;
import peers.common.Trigger;

/**
 * The rules on the events of a task, whose two partitions Kafka Streams merges by time. What waits for its time is in
 * the store; in which order it is due, in a queue beside it that a start fills from the store.
 */
final class Judge implements Processor<byte[], byte[], byte[], byte[]> {
    private final Rules rules;
    private final Event event = new Event();
    private final PriorityQueue<Timer> timers = new PriorityQueue<>();
    private ProcessorContext<byte[], byte[]> context;
    private CustomerStore store;
    private long now = Long.MIN_VALUE;

    /** When a customer's oldest cart is due. */
    private record Timer(long due, String customer) implements Comparable<Timer> {
        @Override
        public int compareTo(Timer other) {
            return Long.compare(due, other.due);
        }
    }

    Judge(Rules rules) {
        this.rules = rules;
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        this.context = context;
        store = context.getStateStore(CustomerStore.NAME);
        store.all((id, customer) -> await(id, customer, Customer.NEVER));
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        event.read(record.key(), record.value());
        now = Math.max(now, event.time);
        while (!timers.isEmpty() && timers.peek().due < now) {
            judge(timers.poll());
        }
        Customer customer = store.forChange(event.customer);
        long due = customer.due();
        customer.apply(event, now, rules, (rule, id, at) -> send(rule, event.customer, id, at));
        await(event.customer, customer, due);
        Progress.count();
    }

    private void judge(Timer timer) {
        Customer customer = store.forChange(timer.customer);
        customer.judge(timer.due, rules, (rule, id, at) -> send(rule, timer.customer, id, at));
        await(timer.customer, customer, Customer.NEVER);
    }

    /** Put the customer into the queue, unless a timer of before `until` is there for them. */
    private void await(String id, Customer customer, long until) {
        if (customer.due() < until) {
            timers.add(new Timer(customer.due(), id));
        }
    }

    private void send(Rule rule, String customer, String id, long at) {
        Trigger trigger = Trigger.of(rule, customer, id, at);
        context.forward(new Record<>(trigger.key(), trigger.value(), at), trigger.family().name());
    }
}
