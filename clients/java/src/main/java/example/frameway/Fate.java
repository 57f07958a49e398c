package example.frameway;

import example.frameway.v1.ItemError;

/** The outcome of a published frame. */
public sealed interface Fate {
  /**
   * Returns the stream of the frame.
   *
   * @return the id of the stream
   */
  String streamId();

  /**
   * Returns the number of the frame in its stream.
   *
   * @return the publisher sequence; 0 if the frame was never sent and has none
   */
  long publisherSequence();

  /**
   * The server has stored the frame.
   *
   * @param streamId the stream
   * @param publisherSequence the publisher sequence
   * @param sequence the position of the frame in its stream
   */
  record Accepted(String streamId, long publisherSequence, long sequence) implements Fate {}

  /**
   * The server had stored the frame before.
   *
   * @param streamId the stream
   * @param publisherSequence the publisher sequence
   * @param sequence the position of the frame in its stream
   */
  record Duplicate(String streamId, long publisherSequence, long sequence) implements Fate {}

  /**
   * The server has refused the frame, and would refuse it again.
   *
   * @param streamId the stream
   * @param publisherSequence the publisher sequence
   * @param error the reason, with a text for people
   */
  record Rejected(String streamId, long publisherSequence, ItemError error) implements Fate {
    /**
     * Returns the name of the reason.
     *
     * @return for example {@code PICTURE_TOO_LARGE}; the number of a reason that is newer than this
     *     client
     */
    public String reason() {
      return FramewayException.name(error.getReasonValue());
    }
  }

  /**
   * The publisher has ended before the server decided. The frame may be stored; publish it again
   * under the same publisher sequence.
   *
   * @param streamId the stream
   * @param publisherSequence the publisher sequence
   * @param why the reason why the publisher ended
   */
  record Unconfirmed(String streamId, long publisherSequence, FramewayException why)
      implements Fate {}
}
