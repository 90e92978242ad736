package peers.flink;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;
import peers.common.Customer;

/** A customer in a checkpoint. Only checkpoints use it: on the heap a customer is the object itself. */
final class CustomerSerializer extends TypeSerializerSingleton<Customer> {
    static final CustomerSerializer INSTANCE = new CustomerSerializer();

    private static final long serialVersionUID = 1;

    @Override
    public boolean isImmutableType() {
        return false;
    }

    @Override
    public Customer createInstance() {
        return new Customer();
    }

    @Override
    public Customer copy(Customer from) {
        return from.copy();
    }

    @Override
    public Customer copy(Customer from, Customer reuse) {
        return from.copy();
    }

    @Override
    public int getLength() {
        return -1;
    }

    @Override
    public void serialize(Customer customer, DataOutputView target) throws IOException {
        customer.write(target);
    }

    @Override
    public Customer deserialize(DataInputView source) throws IOException {
        return Customer.read(source);
    }

    @Override
    public Customer deserialize(Customer reuse, DataInputView source) throws IOException {
        return Customer.read(source);
    }

    @Override
    public void copy(DataInputView source, DataOutputView target) throws IOException {
        serialize(deserialize(source), target);
    }

    @Override
    public TypeSerializerSnapshot<Customer> snapshotConfiguration() {
        return new Snapshot();
    }

    /** The form has not changed yet. */
    public static final class Snapshot extends SimpleTypeSerializerSnapshot<Customer> {
        public Snapshot() {
            super(() -> INSTANCE);
        }
    }
}
