package peers.common;

import java.nio.charset.StandardCharsets;

/** A firing as a record: the topic of its family, the customer's id as key, JSON as value. */
public record Trigger(Family family, byte[] key, byte[] value) {

    public static Trigger of(Rule rule, String customer, String id, long at) {
        String json = "{\"rule\":\"" + rule.name() + "\",\"customer_id\":\"" + customer + "\",\"event\":{\"id\":\"" + id
                + "\"},\"at\":" + at + ",\"content\":{\"text\":\"" + rule.name() + "\"}}";
        return new Trigger(
                rule.family(),
                customer.getBytes(StandardCharsets.ISO_8859_1),
                json.getBytes(StandardCharsets.UTF_8));
    }
}
