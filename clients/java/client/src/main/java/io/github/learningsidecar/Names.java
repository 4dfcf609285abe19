package io.github.learningsidecar;

import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** What the API takes for a name. A wrong one is a mistake of the program, and is told at once. */
final class Names {
    private static final int LENGTH_MAX = 128;
    private static final int CANDIDATES_MAX = 1_000;
    private static final int SHOWN_MAX = 200;

    private Names() {}

    /** Returns a name, or throws when it does not have 1 to 128 printable characters. */
    static String name(String what, String value) {
        if (value == null) {
            throw new NullPointerException(what + " is null");
        }
        if (!isName(value)) {
            throw new IllegalArgumentException(
                    what + " must have 1 to " + LENGTH_MAX + " printable characters, not only spaces, got '"
                            + shown(value) + "'");
        }
        return value;
    }

    static boolean isName(String value) {
        int length = value.codePointCount(0, value.length());
        return 1 <= length && length <= LENGTH_MAX && !value.isBlank() && value.codePoints().allMatch(Names::prints);
    }

    /** Returns a decision id, or throws when it is not 1 to 128 printable ASCII characters without spaces. */
    static String identity(String value) {
        name("decision id", value);
        if (!value.chars().allMatch(character -> ' ' < character && character < 127)) {
            throw new IllegalArgumentException(
                    "a decision id must have printable ASCII characters without spaces, got '" + shown(value) + "'");
        }
        return value;
    }

    /** Returns the candidates, the baseline first, or throws when they are none, too many, or not each one name. */
    static List<String> arms(List<String> candidates) {
        if (candidates.isEmpty() || candidates.size() > CANDIDATES_MAX) {
            throw new IllegalArgumentException(
                    "there must be 1 to " + CANDIDATES_MAX + " candidates, got " + candidates.size());
        }
        Set<String> seen = new HashSet<>();
        for (String arm : candidates) {
            if (!seen.add(name("arm", arm))) {
                throw new IllegalArgumentException("each candidate must be there once, got '" + arm + "' again");
            }
        }
        return candidates;
    }

    private static boolean prints(int character) {
        return switch (Character.getType(character)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR -> false;
            case Character.SPACE_SEPARATOR -> character == ' ';
            // What this JVM has no name for may be a newer emoji: the sidecar is the judge of those.
            default -> true;
        };
    }

    private static String shown(String value) {
        return value.length() <= SHOWN_MAX ? value : value.substring(0, SHOWN_MAX) + "...";
    }
}
