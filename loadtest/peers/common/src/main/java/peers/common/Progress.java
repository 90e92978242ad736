package peers.common;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.LongAdder;

/** How many events were applied: /metrics says it under the name of the worker's own counter. */
public final class Progress {
    private static final LongAdder EVENTS = new LongAdder();

    private Progress() {}

    public static void count() {
        EVENTS.increment();
    }

    public static void serve(int port) throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.createContext("/metrics", exchange -> answer(exchange, "stream_events_total " + EVENTS.sum() + "\n"));
        server.createContext("/ready", exchange -> answer(exchange, "ready\n"));
        server.start();
    }

    private static void answer(HttpExchange exchange, String text) throws IOException {
        byte[] body = text.getBytes(StandardCharsets.US_ASCII);
        exchange.sendResponseHeaders(200, body.length);
        try (OutputStream out = exchange.getResponseBody()) {
            out.write(body);
        }
    }
}
