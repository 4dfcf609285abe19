package io.github.learningsidecar.conformance;

import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The arguments of an order; each is taken, and none may be left. */
final class Arguments {
    private final JsonObject left;

    Arguments(JsonObject order) {
        this.left = order;
    }

    /** An order, or an argument, that this driver does not know. */
    static final class Unsupported extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Unsupported(String what) {
            super(what);
        }
    }

    String text(String name) {
        return optionalText(name).orElseThrow(() -> new Unsupported(name + " is absent"));
    }

    Optional<String> optionalText(String name) {
        return taken(name).map(JsonElement::getAsString);
    }

    Optional<Double> number(String name) {
        return taken(name).map(Arguments::numeric);
    }

    boolean flag(String name) {
        return taken(name).map(JsonElement::getAsBoolean).orElse(false);
    }

    List<String> texts(String name) {
        List<String> texts = new ArrayList<>();
        taken(name).ifPresent(array -> array.getAsJsonArray().forEach(one -> texts.add(one.getAsString())));
        return texts;
    }

    Map<String, Double> numbers(String name) {
        return taken(name).map(Arguments::numbers).orElse(Map.of());
    }

    List<Map<String, Double>> listOfNumbers(String name) {
        List<Map<String, Double>> all = new ArrayList<>();
        taken(name).ifPresent(array -> array.getAsJsonArray().forEach(one -> all.add(numbers(one))));
        return all;
    }

    Map<String, String> textsByName(String name) {
        Map<String, String> all = new LinkedHashMap<>();
        taken(name).ifPresent(
                map ->
                        map.getAsJsonObject()
                                .entrySet()
                                .forEach(one -> all.put(one.getKey(), one.getValue().getAsString())));
        return all;
    }

    Optional<Arguments> inner(String name) {
        return taken(name).map(JsonElement::getAsJsonObject).map(Arguments::new);
    }

    /** Refuses what nobody has taken. */
    void done() {
        if (!left.isEmpty()) {
            throw new Unsupported("the arguments " + left.keySet());
        }
    }

    private Optional<JsonElement> taken(String name) {
        return Optional.ofNullable(left.remove(name)).filter(value -> value != JsonNull.INSTANCE);
    }

    private static Map<String, Double> numbers(JsonElement object) {
        Map<String, Double> numbers = new LinkedHashMap<>();
        object.getAsJsonObject().entrySet().forEach(one -> numbers.put(one.getKey(), numeric(one.getValue())));
        return numbers;
    }

    private static double numeric(JsonElement value) {
        JsonPrimitive number = value.getAsJsonPrimitive();
        if (!number.isString()) {
            return number.getAsDouble();
        }
        return switch (number.getAsString()) {
            case "nan" -> Double.NaN;
            case "inf" -> Double.POSITIVE_INFINITY;
            case "-inf" -> Double.NEGATIVE_INFINITY;
            default -> throw new Unsupported("the number " + number);
        };
    }
}
