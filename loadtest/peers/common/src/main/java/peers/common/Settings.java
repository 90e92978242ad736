package peers.common;

import java.util.Map;
import java.util.Properties;

/** What the measuring program tells a peer, by the same environment variables as a worker's where it has them. */
public record Settings(
        String broker,
        String appId,
        String rules,
        int httpPort,
        String sourcePrefix,
        String triggerPrefix,
        int lingerMs,
        int parallelism,
        String directory) {

    public static Settings fromEnvironment() {
        Map<String, String> given = System.getenv();
        return new Settings(
                required(given, "STREAM_BROKER"),
                required(given, "STREAM_APP_ID"),
                required(given, "STREAM_RULES"),
                Integer.parseInt(required(given, "STREAM_HTTP_PORT")),
                given.getOrDefault("PEER_SOURCE_PREFIX", ""),
                given.getOrDefault("PEER_TRIGGER_PREFIX", ""),
                Integer.parseInt(given.getOrDefault("PEER_LINGER_MS", "20")),
                Integer.parseInt(given.getOrDefault("PEER_PARALLELISM", "1")),
                required(given, "TMPDIR"));
    }

    public String clicks() {
        return sourcePrefix + "clickstream";
    }

    public String purchases() {
        return sourcePrefix + "transactions";
    }

    /** Large fetches for catching up; none waits for more bytes than there are, so keeping up is not slower. */
    public Properties consumer() {
        Properties tuned = new Properties();
        tuned.put("fetch.max.bytes", "67108864");
        tuned.put("max.partition.fetch.bytes", "2097152");
        tuned.put("max.poll.records", "10000");
        tuned.put("receive.buffer.bytes", "1048576");
        return tuned;
    }

    /** Batches as large as they come; `linger.ms` is tuned for each regime by the measuring program. */
    public Properties producer() {
        Properties tuned = new Properties();
        tuned.put("linger.ms", Integer.toString(lingerMs));
        tuned.put("batch.size", "262144");
        tuned.put("buffer.memory", "67108864");
        tuned.put("send.buffer.bytes", "1048576");
        return tuned;
    }

    private static String required(Map<String, String> given, String name) {
        String value = given.get(name);
        if (value == null || value.isEmpty()) {
            throw new IllegalArgumentException(name + " is not set");
        }
        return value;
    }
}
