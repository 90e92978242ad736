package peers.flink;

import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.kafka.clients.producer.ProducerRecord;
import peers.common.Family;
import peers.common.Trigger;

/** Triggers to records of their families' topics. */
final class TriggerWriter implements KafkaRecordSerializationSchema<Trigger> {
    private static final long serialVersionUID = 1;

    private final String[] topics;

    TriggerWriter(String prefix) {
        topics = new String[Family.values().length];
        for (Family family : Family.values()) {
            topics[family.ordinal()] = prefix + family.topic;
        }
    }

    @Override
    public ProducerRecord<byte[], byte[]> serialize(Trigger trigger, KafkaSinkContext context, Long timestamp) {
        return new ProducerRecord<>(topics[trigger.family().ordinal()], trigger.key(), trigger.value());
    }
}
