import { type PictureRole, type ProcessedFrame } from "../gen/frameway/v1/processed_frame_pb.js";
import { blobOf } from "../core/pictures.js";

/** Decodes a picture of a frame. Close the bitmap after drawing: until then it takes 4 bytes for each pixel. */
export function bitmapOf(frame: ProcessedFrame, role?: PictureRole): Promise<ImageBitmap> {
  return createImageBitmap(blobOf(frame, role));
}
