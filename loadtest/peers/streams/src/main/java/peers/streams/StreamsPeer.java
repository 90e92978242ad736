package peers.streams;

import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import peers.common.Family;
import peers.common.Progress;
import peers.common.Rules;
import peers.common.Settings;

/** The rules as a Kafka Streams topology: two sources, a processor with a store, a sink for each family. */
public final class StreamsPeer {
    private StreamsPeer() {}

    public static void main(String[] arguments) throws Exception {
        Settings settings = Settings.fromEnvironment();
        Rules rules = Rules.read(settings.rules());
        KafkaStreams streams = new KafkaStreams(topology(settings, rules), configuration(settings));
        CountDownLatch failed = new CountDownLatch(1);
        streams.setUncaughtExceptionHandler(error -> {
            failed.countDown();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
        Progress.serve(settings.httpPort());
        failed.await();
        System.exit(1);
    }

    private static Topology topology(Settings settings, Rules rules) {
        Topology topology = new Topology()
                .addSource(
                        "events",
                        new ByteArrayDeserializer(),
                        new ByteArrayDeserializer(),
                        settings.clicks(),
                        settings.purchases())
                .addProcessor("judge", () -> new Judge(rules), "events")
                .addStateStore(new CustomerStore.Builder(), "judge");
        for (Family family : Family.values()) {
            topology.addSink(
                    family.name(),
                    settings.triggerPrefix() + family.topic,
                    new ByteArraySerializer(),
                    new ByteArraySerializer(),
                    "judge");
        }
        return topology;
    }

    private static Properties configuration(Settings settings) {
        Properties tuned = new Properties();
        tuned.put(StreamsConfig.APPLICATION_ID_CONFIG, settings.appId());
        tuned.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, settings.broker());
        tuned.put(StreamsConfig.STATE_DIR_CONFIG, settings.directory());
        tuned.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, settings.parallelism());
        // As seldom as Flink makes a checkpoint: a customer who changes often is written once.
        tuned.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 10_000);
        tuned.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0); // the store has a cache of its own
        tuned.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        settings.consumer().forEach((name, value) -> tuned.put(StreamsConfig.consumerPrefix((String) name), value));
        settings.producer().forEach((name, value) -> tuned.put(StreamsConfig.producerPrefix((String) name), value));
        tuned.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        return tuned;
    }
}
