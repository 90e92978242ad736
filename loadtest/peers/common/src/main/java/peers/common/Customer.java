package peers.common;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What is known of a customer, and the rules' logic on it. Clicks and purchases each come in the order of their times;
 * between the two any order gives the same triggers, because a cart is judged when its half hour is over.
 */
public final class Customer {
    /** Told of each firing: `id` is that of the event that led to it, `at` when it fires. */
    public interface Fired {
        void fired(Rule rule, String id, long at);
    }

    public static final long NEVER = Long.MAX_VALUE;

    private static final long MINUTE = 60_000;
    private static final long DAY = 24 * 60 * MINUTE;
    private static final long WAIT = 30 * MINUTE;
    private static final long VIEWS_SLICE = 60 * MINUTE / Counts.SLICES;
    private static final long CARTS_SLICE = 30 * MINUTE / Counts.SLICES;
    private static final long SPEND_SLICE = 30 * DAY / Counts.SLICES;

    private static final int TIME_BITS = 48;
    private static final long TIME = (1L << TIME_BITS) - 1;
    private static final long[] NONE = {};

    private Counts views = new Counts();
    private Counts carts = new Counts();
    private Sums spend = new Sums();
    private long[] fired = NONE; // the rule's number above TIME_BITS, when it last fired below
    private int firings;
    private List<Cart> waiting = new ArrayList<>(0);
    private long[] bought = NONE; // when, as far as a waiting cart, or one that may come, asks
    private int purchases;

    /** A cart that nothing was bought after yet. */
    private record Cart(long time, int category, String id) {}

    public Customer copy() {
        Customer same = new Customer();
        same.views = views.copy();
        same.carts = carts.copy();
        same.spend = spend.copy();
        same.fired = Arrays.copyOf(fired, firings);
        same.firings = firings;
        same.waiting = new ArrayList<>(waiting);
        same.bought = Arrays.copyOf(bought, purchases);
        same.purchases = purchases;
        return same;
    }

    /** When the oldest waiting cart has to be judged, or NEVER. */
    public long due() {
        return waiting.isEmpty() ? NEVER : waiting.get(0).time + WAIT;
    }

    /** Apply an event. No event of before `settled` can come any more. */
    public void apply(Event event, long settled, Rules rules, Fired out) {
        switch (event.kind) {
            case PRODUCT_VIEW -> {
                int seen = views.add((int) (event.time / VIEWS_SLICE), event.category);
                for (Rule rule : rules.of(Family.INTEREST, event.category)) {
                    if (event.price > rule.above() && seen >= rule.least()) {
                        fire(rule, event.id(), event.time, settled, out);
                    }
                }
            }
            case PAGE_VIEW -> {
                if (event.checkout && carts.size() > 0) {
                    checkout(event, settled, rules, out);
                }
            }
            case ADD_TO_CART -> {
                carts.add((int) (event.time / CARTS_SLICE), event.category);
                if (rules.of(Family.CART, event.category).length > 0) {
                    waiting.add(new Cart(event.time, event.category, event.id()));
                }
            }
            case PURCHASE -> {
                double sum = spend.add((int) (event.time / SPEND_SLICE), event.amount);
                for (Rule rule : rules.of(Family.SPENDER, event.store)) {
                    if (sum > rule.above()) {
                        fire(rule, event.id(), event.time, settled, out);
                    }
                }
                buy(event.time, settled);
            }
            case OTHER -> {}
        }
    }

    /** Judge the carts whose half hour ended at `now` or before; all events up to `now` have been applied. */
    public void judge(long now, Rules rules, Fired out) {
        while (due() <= now) {
            Cart cart = waiting.remove(0);
            long end = cart.time + WAIT;
            if (boughtWithin(cart.time, end)) {
                continue;
            }
            // `again: keep`: the carts of this category in between did not start a half hour of their own.
            waiting.removeIf(other -> other.category == cart.category && other.time <= end);
            for (Rule rule : rules.of(Family.CART, cart.category)) {
                fire(rule, cart.id, end, now, out);
            }
        }
    }

    private void checkout(Event event, long settled, Rules rules, Fired out) {
        int now = (int) (event.time / CARTS_SLICE);
        long done = 0; // categories, one bit each: those that have several slices are judged once
        for (int i = carts.size() - 1; i >= 0 && carts.slice(i) >= now - Counts.SLICES; i--) {
            int category = carts.key(i);
            if ((done & 1L << category) != 0) {
                continue;
            }
            done |= 1L << category;
            int count = carts.count(now, category);
            for (Rule rule : rules.of(Family.CHECKOUT, category)) {
                if (count >= rule.least()) {
                    fire(rule, event.id(), event.time, settled, out);
                }
            }
        }
    }

    private void buy(long time, long settled) {
        int kept = 0;
        for (int i = 0; i < purchases; i++) {
            if (bought[i] + WAIT > settled) {
                bought[kept++] = bought[i];
            }
        }
        purchases = kept;
        if (purchases == bought.length) {
            bought = Arrays.copyOf(bought, purchases + 2);
        }
        bought[purchases++] = time;
    }

    private boolean boughtWithin(long after, long until) {
        for (int i = 0; i < purchases; i++) {
            if (bought[i] > after && bought[i] <= until) {
                return true;
            }
        }
        return false;
    }

    /** Unless the rule has within a day. */
    private void fire(Rule rule, String id, long at, long settled, Fired out) {
        int place = 0;
        while (place < firings && fired[place] >>> TIME_BITS != rule.number()) {
            place++;
        }
        if (place < firings && at - (fired[place] & TIME) < DAY) {
            return;
        }
        if (place == firings) {
            if (firings == fired.length) {
                forgetFirings(settled);
                place = firings;
            }
            firings++;
        }
        fired[place] = (long) rule.number() << TIME_BITS | at;
        out.fired(rule, id, at);
    }

    /**
     * Make room for one more: by those that are a day old, or else by more of it. Of the two topics one may be read
     * far ahead, so that an event's own time does not say what is old.
     */
    private void forgetFirings(long settled) {
        int kept = 0;
        for (int i = 0; i < firings; i++) {
            if ((fired[i] & TIME) + DAY > settled) {
                fired[kept++] = fired[i];
            }
        }
        firings = kept;
        if (firings == fired.length) {
            fired = Arrays.copyOf(fired, firings + 4 + firings / 2);
        }
    }

    public void write(DataOutput out) throws IOException {
        views.write(out);
        carts.write(out);
        spend.write(out);
        writeAll(out, fired, firings);
        writeAll(out, bought, purchases);
        out.writeShort(waiting.size());
        for (Cart cart : waiting) {
            out.writeLong(cart.time);
            out.writeByte(cart.category);
            out.writeUTF(cart.id);
        }
    }

    public static Customer read(DataInput in) throws IOException {
        Customer customer = new Customer();
        customer.views.read(in);
        customer.carts.read(in);
        customer.spend.read(in);
        customer.fired = readAll(in);
        customer.firings = customer.fired.length;
        customer.bought = readAll(in);
        customer.purchases = customer.bought.length;
        int carts = in.readUnsignedShort();
        customer.waiting = new ArrayList<>(carts);
        for (int i = 0; i < carts; i++) {
            customer.waiting.add(new Cart(in.readLong(), in.readUnsignedByte(), in.readUTF()));
        }
        return customer;
    }

    private static void writeAll(DataOutput out, long[] values, int count) throws IOException {
        out.writeShort(count);
        for (int i = 0; i < count; i++) {
            out.writeLong(values[i]);
        }
    }

    private static long[] readAll(DataInput in) throws IOException {
        long[] values = new long[in.readUnsignedShort()];
        for (int i = 0; i < values.length; i++) {
            values[i] = in.readLong();
        }
        return values;
    }
}
