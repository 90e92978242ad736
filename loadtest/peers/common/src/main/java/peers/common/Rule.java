package peers.common;

import java.io.Serializable;

/**
 * One rule. `number` is its place in the file, `key` the number of its category or store, `above` the price or the sum
 * that has to be exceeded, `least` how many views or carts there must be.
 */
public record Rule(int number, Family family, String name, int key, double above, int least) implements Serializable {}
