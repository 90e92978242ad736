package peers.flink;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.DataStreamUtils;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import peers.common.Event;
import peers.common.Progress;
import peers.common.Rules;
import peers.common.Settings;
import peers.common.Trigger;

/** The rules as a Flink job, in one process with a JobManager and a TaskManager of its own. */
public final class FlinkPeer {
    private static final KeySelector<Event, String> CUSTOMER = event -> event.customer;

    private FlinkPeer() {}

    public static void main(String[] arguments) throws Exception {
        Settings settings = Settings.fromEnvironment();
        StreamExecutionEnvironment env =
                StreamExecutionEnvironment.createLocalEnvironment(settings.parallelism(), configuration(settings));
        build(env, settings, Rules.read(settings.rules()));
        JobClient job = env.executeAsync(settings.appId());
        Runtime.getRuntime().addShutdownHook(new Thread(() -> job.cancel().join()));
        Progress.serve(settings.httpPort());
        while (job.getJobStatus().get() != JobStatus.FAILED) {
            Thread.sleep(1000);
        }
        job.getJobExecutionResult().get(); // raises what the job failed with
    }

    private static Configuration configuration(Settings settings) {
        Configuration tuned = new Configuration();
        // All customers fit into memory, and objects on the heap are Flink's fastest state.
        tuned.set(StateBackendOptions.STATE_BACKEND, "hashmap");
        tuned.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
        tuned.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, Path.of(settings.directory()).toUri() + "checkpoints");
        tuned.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofSeconds(10));
        // Each operator of the chain hands on the very object: nothing is copied, nothing serialized.
        tuned.set(PipelineOptions.OBJECT_REUSE, true);
        tuned.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.ZERO); // for RocksDB and batch jobs
        tuned.set(RestOptions.BIND_PORT, "0");
        return tuned;
    }

    private static void build(StreamExecutionEnvironment env, Settings settings, Rules rules) {
        KafkaSource<Event> source = KafkaSource.<Event>builder()
                .setBootstrapServers(settings.broker())
                .setTopics(List.of(settings.clicks(), settings.purchases()))
                .setGroupId(settings.appId())
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setProperties(settings.consumer())
                .setDeserializer(new EventReader())
                .build();
        DataStream<Event> events = env.fromSource(
                source,
                WatermarkStrategy.<Event>forMonotonousTimestamps().withTimestampAssigner((event, time) -> event.time),
                "events");
        byCustomer(events, settings.parallelism())
                .process(new Judge(rules))
                .returns(TypeInformation.of(Trigger.class))
                .sinkTo(sink(settings));
    }

    /**
     * With one task every customer is with it already, so that the stream need not go through the exchange that `keyBy`
     * puts there, which serializes each event.
     */
    private static KeyedStream<Event, String> byCustomer(DataStream<Event> events, int parallelism) {
        return parallelism == 1
                ? DataStreamUtils.reinterpretAsKeyedStream(events, CUSTOMER, Types.STRING)
                : events.keyBy(CUSTOMER, Types.STRING);
    }

    private static KafkaSink<Trigger> sink(Settings settings) {
        Properties producer = settings.producer();
        return KafkaSink.<Trigger>builder()
                .setBootstrapServers(settings.broker())
                .setKafkaProducerConfig(producer)
                .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
                .setRecordSerializer(new TriggerWriter(settings.triggerPrefix()))
                .build();
    }
}
