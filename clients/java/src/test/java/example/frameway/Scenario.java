package example.frameway;

import java.io.IOException;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.TestWatcher;

/**
 * A test of a scenario that every client has. The name of the method is that of the scenario, and
 * its result is written to the file that the environment variable {@code FRAMEWAY_SCENARIOS} names.
 */
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
@Test
@Timeout(180)
@ExtendWith(Scenario.Results.class)
@interface Scenario {
  /** A scenario of the short set. */
  @Target(ElementType.METHOD)
  @Retention(RetentionPolicy.RUNTIME)
  @Tag("short")
  @interface Short {}

  /** Writes the results. */
  final class Results implements TestWatcher {
    @Override
    public void testSuccessful(ExtensionContext test) {
      write(test, "ok", "");
    }

    @Override
    public void testFailed(ExtensionContext test, Throwable cause) {
      write(test, "failed", "");
    }

    @Override
    public void testAborted(ExtensionContext test, Throwable cause) {
      write(test, "skipped", cause.getMessage());
    }

    private static void write(ExtensionContext test, String result, String reason) {
      var file = System.getenv("FRAMEWAY_SCENARIOS");
      if (file == null) {
        return;
      }
      var name = test.getRequiredTestMethod().getName();
      var id = name.replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT);
      var line = id + "\t" + result + "\t" + reason + "\n";
      try {
        Files.writeString(
            Path.of(file), line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
      } catch (IOException full) {
        throw new AssertionError("the result of " + id + " cannot be written", full);
      }
    }
  }
}
