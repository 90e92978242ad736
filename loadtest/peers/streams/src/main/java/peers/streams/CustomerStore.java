package peers.streams;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.StateStoreContext;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.internals.CacheFlushListener;
import org.apache.kafka.streams.state.internals.CachedStateStore;
import peers.common.Customer;

/**
 * Customers as objects, before a logged store in memory. Kafka Streams' own cache holds bytes: with it each event would
 * read and write its customer's. Here a customer is written, to the store and its changelog, once a commit, which is
 * when Kafka Streams flushes its caches, this one too.
 */
final class CustomerStore implements StateStore, CachedStateStore<String, byte[]> {
    static final String NAME = "customers";

    private final KeyValueStore<String, byte[]> logged;
    private final Map<String, Entry> entries = new HashMap<>();
    private final List<Entry> changed = new ArrayList<>();

    private static final class Entry {
        final String id;
        final Customer customer;
        boolean changed;

        Entry(String id, Customer customer) {
            this.id = id;
            this.customer = customer;
        }
    }

    private CustomerStore(KeyValueStore<String, byte[]> logged) {
        this.logged = logged;
    }

    /** The customer, who counts as changed, and is new if nobody knows them. */
    Customer forChange(String id) {
        Entry entry = entries.get(id);
        if (entry == null) {
            byte[] bytes = logged.get(id);
            entry = new Entry(id, bytes == null ? new Customer() : read(bytes));
            entries.put(id, entry);
        }
        if (!entry.changed) {
            entry.changed = true;
            changed.add(entry);
        }
        return entry.customer;
    }

    /** Everybody, as restored; before the first change. */
    void all(BiConsumer<String, Customer> each) {
        try (KeyValueIterator<String, byte[]> stored = logged.all()) {
            while (stored.hasNext()) {
                KeyValue<String, byte[]> next = stored.next();
                each.accept(next.key, read(next.value));
            }
        }
    }

    @Override
    public void flushCache() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(1024);
        DataOutputStream out = new DataOutputStream(bytes);
        try {
            for (Entry entry : changed) {
                bytes.reset();
                entry.customer.write(out);
                logged.put(entry.id, bytes.toByteArray());
                entry.changed = false;
            }
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        changed.clear();
    }

    @Override
    public void clearCache() {
        entries.clear();
        changed.clear();
    }

    @Override
    public boolean setFlushListener(CacheFlushListener<String, byte[]> listener, boolean sendOldValues) {
        return false; // nothing downstream reads the store's changes
    }

    private static Customer read(byte[] bytes) {
        try {
            return Customer.read(new DataInputStream(new ByteArrayInputStream(bytes)));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    @Override
    public String name() {
        return logged.name();
    }

    @Override
    public void init(StateStoreContext context, StateStore root) {
        logged.init(context, root);
    }

    @Override
    public void close() {
        logged.close();
    }

    @Override
    public boolean persistent() {
        return logged.persistent();
    }

    @Override
    public boolean isOpen() {
        return logged.isOpen();
    }

    /** What a topology asks for a store. */
    static final class Builder implements StoreBuilder<CustomerStore> {
        private final StoreBuilder<KeyValueStore<String, byte[]>> logged = Stores.keyValueStoreBuilder(
                Stores.inMemoryKeyValueStore(NAME), Serdes.String(), Serdes.ByteArray());

        @Override
        public CustomerStore build() {
            return new CustomerStore(logged.build());
        }

        @Override
        public StoreBuilder<CustomerStore> withCachingEnabled() {
            return this;
        }

        @Override
        public StoreBuilder<CustomerStore> withCachingDisabled() {
            return this;
        }

        @Override
        public StoreBuilder<CustomerStore> withLoggingEnabled(Map<String, String> config) {
            logged.withLoggingEnabled(config);
            return this;
        }

        @Override
        public StoreBuilder<CustomerStore> withLoggingDisabled() {
            logged.withLoggingDisabled();
            return this;
        }

        @Override
        public Map<String, String> logConfig() {
            return logged.logConfig();
        }

        @Override
        public boolean loggingEnabled() {
            return logged.loggingEnabled();
        }

        @Override
        public String name() {
            return logged.name();
        }
    }
}
