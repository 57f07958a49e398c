package example.frameway;

import io.grpc.Attributes;
import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.Status;
import io.grpc.StatusOr;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Executor;

/**
 * Resolves the addresses of the servers. A connection is made to the first that answers. Each
 * further resolution begins with the next address, so that a new connection goes to another server.
 */
final class Addresses extends NameResolver {
  /** The address of one server. */
  record Address(String host, int port) {
    /** Reads {@code HOST:PORT}. */
    static Address parse(String text) {
      try {
        var uri = new URI("frameway://" + text);
        if (uri.getHost() != null && uri.getPort() > 0 && uri.getAuthority().equals(text)) {
          return new Address(uri.getHost(), uri.getPort());
        }
      } catch (URISyntaxException invalid) {
        // Reported below.
      }
      throw new IllegalArgumentException(
          "the address " + text + " is not HOST:PORT, for example 127.0.0.1:7400");
    }

    boolean isLocal() {
      return host.equals("localhost") || host.startsWith("127.") || host.equals("[::1]");
    }

    @Override
    public String toString() {
      return host + ":" + port;
    }
  }

  private final List<Address> addresses;
  private final Executor executor;
  private Listener2 listener;
  private int resolutions;

  Addresses(List<Address> addresses, Args args) {
    this.addresses = addresses;
    this.executor = args.getOffloadExecutor();
  }

  @Override
  public String getServiceAuthority() {
    return addresses.get(0).toString();
  }

  @Override
  public void start(Listener2 callback) {
    listener = callback;
    refresh();
  }

  @Override
  public void refresh() {
    var order = new ArrayList<>(addresses);
    Collections.rotate(order, -resolutions++);
    executor.execute(() -> resolve(order));
  }

  private void resolve(List<Address> order) {
    var groups = new ArrayList<EquivalentAddressGroup>();
    Status failure = null;
    for (var address : order) {
      // TLS compares the certificate with this name.
      var name =
          Attributes.newBuilder()
              .set(EquivalentAddressGroup.ATTR_AUTHORITY_OVERRIDE, address.toString())
              .build();
      try {
        for (var ip : InetAddress.getAllByName(address.host())) {
          SocketAddress socket = new InetSocketAddress(ip, address.port());
          groups.add(new EquivalentAddressGroup(socket, name));
        }
      } catch (UnknownHostException unknown) {
        failure = Status.UNAVAILABLE.withDescription("there is no host " + address.host());
      }
    }
    var found =
        groups.isEmpty()
            ? StatusOr.<List<EquivalentAddressGroup>>fromStatus(failure)
            : StatusOr.<List<EquivalentAddressGroup>>fromValue(groups);
    listener.onResult(ResolutionResult.newBuilder().setAddressesOrError(found).build());
  }

  @Override
  public void shutdown() {}

  /** Makes resolvers for the channels of a client. */
  static NameResolver.Factory factory(List<Address> addresses) {
    return new NameResolver.Factory() {
      @Override
      public NameResolver newNameResolver(URI target, Args args) {
        return new Addresses(addresses, args);
      }

      @Override
      public String getDefaultScheme() {
        return "frameway";
      }
    };
  }
}
