package peers.flink;

import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import peers.common.Event;

/** Records to events: one object for all of them, which object reuse allows. */
final class EventReader implements KafkaRecordDeserializationSchema<Event> {
    private static final long serialVersionUID = 1;

    private transient Event event;

    @Override
    public void deserialize(ConsumerRecord<byte[], byte[]> message, Collector<Event> out) {
        if (event == null) {
            event = new Event();
        }
        event.read(message.key(), message.value());
        out.collect(event);
    }

    @Override
    public TypeInformation<Event> getProducedType() {
        return TypeInformation.of(Event.class);
    }
}
