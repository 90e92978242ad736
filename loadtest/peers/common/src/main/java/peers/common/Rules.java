package peers.common;

import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Predicate;

/**
 * The rules, indexed by what an event says: those of a family that can fire for a category or a store are one array
 * access away.
 */
public final class Rules implements Serializable {
    private static final long serialVersionUID = 1;
    private static final Rule[] NONE = {};

    private final Rule[][][] byKey = new Rule[Family.values().length][][];

    private Rules(List<Rule> rules) {
        for (Family family : Family.values()) {
            List<Rule> own = only(rules, rule -> rule.family() == family);
            int keys = own.stream().mapToInt(Rule::key).max().orElse(-1) + 1;
            byKey[family.ordinal()] = new Rule[keys][];
            for (int key = 0; key < keys; key++) {
                int wanted = key;
                byKey[family.ordinal()][key] = only(own, rule -> rule.key() == wanted).toArray(NONE);
            }
        }
    }

    /** A line for each rule: family, name, key, above, least; what the measuring program writes. */
    public static Rules read(String file) throws IOException {
        List<String> lines = Files.readAllLines(Path.of(file));
        Rule[] rules = new Rule[lines.size()];
        for (int number = 0; number < rules.length; number++) {
            String[] cells = lines.get(number).split("\t");
            rules[number] = new Rule(
                    number,
                    Family.valueOf(cells[0].toUpperCase(Locale.ROOT)),
                    cells[1],
                    Integer.parseInt(cells[2]),
                    Double.parseDouble(cells[3]),
                    Integer.parseInt(cells[4]));
        }
        return new Rules(List.of(rules));
    }

    public Rule[] of(Family family, int key) {
        Rule[][] own = byKey[family.ordinal()];
        return key >= 0 && key < own.length ? own[key] : NONE;
    }

    private static List<Rule> only(List<Rule> rules, Predicate<Rule> wanted) {
        return rules.stream().filter(wanted).toList();
    }
}
