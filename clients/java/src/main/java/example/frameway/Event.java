package example.frameway;

import example.frameway.v1.ProcessedFrame;

/** An event of a subscription. */
public sealed interface Event {
  /**
   * Returns the stream that the event belongs to.
   *
   * @return the id of the stream
   */
  String streamId();

  /**
   * Returns the position of the stream after this event.
   *
   * @return the cursor
   */
  String cursor();

  /**
   * The next frame of a stream.
   *
   * @param frame the processed frame with its pictures
   * @param cursor the position of the stream after the frame
   */
  record Frame(ProcessedFrame frame, String cursor) implements Event {
    @Override
    public String streamId() {
      return frame.getStreamId();
    }
  }

  /**
   * Frames of a stream that are not delivered.
   *
   * @param gap the sequences or the stretch of time, and the reasons
   * @param cursor the position of the stream after the gap
   */
  record Gap(example.frameway.v1.Gap gap, String cursor) implements Event {
    @Override
    public String streamId() {
      return gap.getStreamId();
    }
  }
}
