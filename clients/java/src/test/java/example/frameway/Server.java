package example.frameway;

import static java.util.concurrent.TimeUnit.SECONDS;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;

/** A process of {@code frameway serve}, on the same port after every restart, and others. */
final class Server implements AutoCloseable {
  /** The maximum wait for anything that must happen, on a busy machine. */
  static final Duration DEADLINE = Duration.ofSeconds(60);

  private static final Path ROOT = Path.of("../..").toAbsolutePath().normalize();

  final String address;
  private final Path folder;
  private final List<String> arguments;
  private Process process;

  /** Starts a server with its own embedded queue, or with the one that the arguments name. */
  Server(String... arguments) throws Exception {
    this(freePort(), arguments);
  }

  Server(int port, String... arguments) throws Exception {
    address = "127.0.0.1:" + port;
    folder = Files.createTempDirectory("frameway-java");
    this.arguments = List.of(arguments);
    start();
  }

  static String program() {
    var program = System.getenv("FRAMEWAY");
    return program == null ? ROOT.resolve("target/debug/frameway").toString() : program;
  }

  static int freePort() throws IOException {
    try (var probe = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return probe.getLocalPort();
    }
  }

  int port() {
    return Integer.parseInt(address.substring(address.indexOf(':') + 1));
  }

  Path folder() {
    return folder;
  }

  void start() throws Exception {
    var ready = folder.resolve("address");
    Files.deleteIfExists(ready);
    var command = new ArrayList<>(List.of(program(), "serve", "--listen", address));
    command.addAll(List.of("--address-file", ready.toString(), "--metrics-listen", "none"));
    command.addAll(arguments);
    process = process(folder.resolve("log"), command);
    var started = process;
    waitUntil("the server serves", () -> Files.exists(ready) || !started.isAlive());
    if (!started.isAlive()) {
      throw new AssertionError(Files.readString(folder.resolve("log")));
    }
  }

  private static Process process(Path log, List<String> command) throws IOException {
    var builder = new ProcessBuilder(command).redirectErrorStream(true);
    var process = builder.redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile())).start();
    // If the tests are interrupted, it ends with them.
    Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
    return process;
  }

  /** Runs a command of the program, and returns what it prints. */
  static String run(String... command) throws Exception {
    var all = new ArrayList<>(List.of(program()));
    all.addAll(Arrays.asList(command));
    var process = new ProcessBuilder(all).redirectErrorStream(true).start();
    process.getOutputStream().close();
    var text = new String(process.getInputStream().readAllBytes());
    if (process.waitFor() != 0) {
      throw new AssertionError(all + ": " + text);
    }
    return text.strip();
  }

  /** Sends a signal such as STOP, CONT or TERM. */
  void signal(String name) throws IOException {
    signal(process, name);
  }

  private static void signal(Process process, String name) throws IOException {
    new ProcessBuilder("kill", "-" + name, Long.toString(process.pid())).start().onExit().join();
    // On Linux, a stopped process may run on until the signal has reached each of its threads.
    while (name.equals("STOP") && hasRunningThreads(process)) {
      Thread.yield();
    }
  }

  private static boolean hasRunningThreads(Process process) throws IOException {
    var threads = Path.of("/proc", Long.toString(process.pid()), "task");
    if (!Files.isDirectory(threads)) {
      return false;
    }
    try (var folders = Files.newDirectoryStream(threads)) {
      for (var folder : folders) {
        // The state follows the name, which is in parentheses.
        if (!Files.readString(folder.resolve("stat")).contains(") T ")) {
          return true;
        }
      }
      return false;
    } catch (NoSuchFileException thread) {
      return true; // It has just ended.
    }
  }

  void waitForEnd() throws Exception {
    if (!process.waitFor(DEADLINE.toSeconds(), SECONDS)) {
      throw new AssertionError("the server does not end");
    }
  }

  void kill() throws IOException {
    kill(process);
  }

  private static void kill(Process process) throws IOException {
    // A worker of a server with Redis is a process of its own.
    var children = process.descendants().toList();
    signal(process, "CONT");
    process.destroyForcibly().onExit().join();
    children.forEach(ProcessHandle::destroyForcibly);
  }

  @Override
  public void close() throws IOException {
    kill();
    delete(folder);
  }

  static void delete(Path folder) throws IOException {
    try (var files = Files.walk(folder)) {
      for (var file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    }
  }

  static void waitUntil(String what, Callable<Boolean> holds) throws Exception {
    var deadline = System.nanoTime() + DEADLINE.toNanos();
    while (!holds.call()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("not within " + DEADLINE.toSeconds() + " s: " + what);
      }
      Thread.sleep(20);
    }
  }

  /** A process of Redis, for the servers that are restarted. */
  static final class Redis implements AutoCloseable {
    private final Path folder = Files.createTempDirectory("frameway-redis");
    private final int port = freePort();
    private final Process process;

    Redis() throws Exception {
      var command = List.of("redis-server", "--port", "" + port, "--bind", "127.0.0.1");
      command = new ArrayList<>(command);
      command.addAll(List.of("--save", "", "--dir", folder.toString()));
      command.addAll(List.of("--maxmemory-policy", "noeviction"));
      process = Server.process(folder.resolve("log"), command);
      waitUntil("Redis listens", this::listens);
    }

    private boolean listens() {
      try (var socket = new java.net.Socket("127.0.0.1", port)) {
        return socket.isConnected();
      } catch (IOException refused) {
        return false;
      }
    }

    String url() {
      return "redis://127.0.0.1:" + port + "/0";
    }

    @Override
    public void close() throws IOException {
      Server.kill(process);
      delete(folder);
    }
  }
}
