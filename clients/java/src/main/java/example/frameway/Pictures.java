package example.frameway;

import example.frameway.v1.Picture;
import example.frameway.v1.ProcessedFrame;
import io.grpc.Status;
import java.awt.image.BufferedImage;
import java.io.IOException;
import javax.imageio.ImageIO;
import javax.imageio.stream.MemoryCacheImageInputStream;

/** Turns pictures into images of Java. */
public final class Pictures {
  private Pictures() {}

  /**
   * Decodes the first picture of a frame that has its bytes.
   *
   * @param frame the frame
   * @return the image
   * @throws FramewayException if no picture has bytes, or the bytes cannot be decoded
   */
  public static BufferedImage image(ProcessedFrame frame) {
    for (var picture : frame.getPicturesList()) {
      if (picture.hasData()) {
        return image(picture);
      }
    }
    var omitted =
        frame.getPicturesList().stream().map(one -> one.getOmittedReason().name()).toList();
    throw new FramewayException(
        Status.NOT_FOUND,
        "frame "
            + frame.getSequence()
            + " of "
            + frame.getStreamId()
            + " has no picture "
            + omitted,
        null);
  }

  /**
   * Decodes a picture. The Java runtime decodes JPEG and PNG; for WebP, add a plug-in of ImageIO.
   *
   * @param picture the picture with its bytes
   * @return the image
   * @throws FramewayException if the bytes cannot be decoded
   */
  public static BufferedImage image(Picture picture) {
    IOException cause = null;
    try {
      // It is in memory, and ImageIO closes it.
      var image = ImageIO.read(new MemoryCacheImageInputStream(picture.getData().newInput()));
      if (image != null) {
        return image;
      }
    } catch (IOException broken) {
      cause = broken;
    }
    var text =
        "ImageIO cannot decode the "
            + picture.getFormat()
            + " of "
            + picture.getSizeBytes()
            + " bytes";
    throw new FramewayException(
        Status.DATA_LOSS, cause == null ? text : text + ": " + cause.getMessage(), cause);
  }
}
