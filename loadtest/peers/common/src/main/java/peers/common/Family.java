package peers.common;

/** The four families of REF-300; each has a topic of its own. */
public enum Family {
    INTEREST("triggers.interest"),
    SPENDER("triggers.spender"),
    CHECKOUT("triggers.checkout"),
    CART("triggers.cart");

    public final String topic;

    Family(String topic) {
        this.topic = topic;
    }
}
