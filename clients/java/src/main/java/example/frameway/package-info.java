/**
 * A client of Frameway: it connects, publishes frames, subscribes to streams, consumes the frames
 * of a group and reads the newest ones. {@link example.frameway.FramewayClient} is where to begin.
 * The messages of the contract are in {@code example.frameway.v1}.
 */
package example.frameway;
