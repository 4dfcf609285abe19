package io.github.learningsidecar.conformance;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/** Reads orders from standard input, acts them out with the client, and tells what it saw. */
public final class Driver {
    private Driver() {}

    /**
     * Answers orders until the input ends.
     *
     * @param arguments none
     * @throws IOException the input cannot be read
     */
    public static void main(String[] arguments) throws IOException {
        // Answers go out by descriptor, so that nothing which prints can come between them.
        PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
        System.setOut(System.err);
        BufferedReader orders = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (Orders app = new Orders()) {
            for (String line = orders.readLine(); line != null; line = orders.readLine()) {
                answers.println(answered(app, JsonParser.parseString(line).getAsJsonObject()));
            }
        }
    }

    private static JsonObject answered(Orders app, JsonObject order) {
        JsonObject answer = new JsonObject();
        answer.add("id", order.remove("id"));
        try {
            answer.add("ok", app.perform(new Arguments(order)));
        } catch (Arguments.Unsupported unknown) {
            answer.addProperty("unsupported", unknown.getMessage());
        } catch (IllegalArgumentException | NullPointerException mistake) {
            answer.addProperty("mistake", mistake.toString());
        }
        return answer;
    }
}
