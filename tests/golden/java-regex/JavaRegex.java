import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * What java.util.regex makes of patterns.txt and inputs.txt; a pattern after "i " ignores case, one after "- " does not.
 * Run: java JavaRegex.java > answers.jsonl
 */
public class JavaRegex {
    public static void main(String[] args) throws IOException {
        List<String> inputs = lines("inputs.txt");
        var out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        out.println("{\"inputs\":[" + String.join(",", inputs.stream().map(JavaRegex::quote).toList()) + "]}");
        for (String line : lines("patterns.txt")) {
            String pattern = line.substring(2);
            boolean ignoreCase = line.startsWith("i");
            String answer;
            try {
                answer = "\"found\":" + answers(Pattern.compile(pattern, ignoreCase ? Pattern.CASE_INSENSITIVE : 0), inputs);
            } catch (PatternSyntaxException e) {
                answer = "\"error\":" + quote(e.getDescription());
            }
            out.println("{\"pattern\":" + quote(pattern) + ",\"ignore_case\":" + ignoreCase + "," + answer + "}");
        }
        out.flush();
    }

    /** By number of the input: whether it matches whole, where the first find begins (in code points), its groups. */
    static String answers(Pattern pattern, List<String> inputs) {
        var found = new ArrayList<String>();
        for (int i = 0; i < inputs.size(); i++) {
            Matcher matcher = pattern.matcher(inputs.get(i));
            boolean matches = matcher.matches();
            matcher.reset();
            if (!matcher.find()) {
                continue;
            }
            var groups = new ArrayList<String>();
            for (int group = 0; group <= matcher.groupCount(); group++) {
                groups.add(matcher.group(group) == null ? "null" : quote(matcher.group(group)));
            }
            int start = inputs.get(i).codePointCount(0, matcher.start());
            found.add("\"" + i + "\":[" + matches + "," + start + ",[" + String.join(",", groups) + "]]");
        }
        return "{" + String.join(",", found) + "}";
    }

    /** Lines with their backslash-u escapes resolved; those for the regex itself are written with two backslashes. */
    static List<String> lines(String file) throws IOException {
        var lines = new ArrayList<String>();
        for (String line : Files.readAllLines(Path.of(file))) {
            var plain = new StringBuilder();
            for (int i = 0; i < line.length(); i++) {
                boolean escape = line.charAt(i) == '\\' && i + 1 < line.length();
                if (escape && line.charAt(i + 1) == 'u') {
                    plain.append((char) Integer.parseInt(line.substring(i + 2, i + 6), 16));
                    i += 5;
                } else if (escape && line.charAt(i + 1) == '\\') {
                    plain.append('\\');
                    i++;
                } else {
                    plain.append(line.charAt(i));
                }
            }
            lines.add(plain.toString());
        }
        return lines;
    }

    static String quote(String text) {
        var json = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                json.append('\\').append(c);
            } else if (c < 0x20 || c > 0x7e) {
                json.append(String.format("\\u%04x", (int) c));
            } else {
                json.append(c);
            }
        }
        return json.append('"').toString();
    }
}
