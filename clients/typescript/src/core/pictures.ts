import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { PictureFormat } from "../gen/frameway/v1/frame_pb.js";
import {
  OmittedReasonSchema,
  type Picture,
  type PictureRole,
  type PictureSelection,
  PictureSelectionSchema,
  type ProcessedFrame,
} from "../gen/frameway/v1/processed_frame_pb.js";
import { enumName } from "./errors.js";

/** The maximum size of a message in bytes. It is the limit of the contract. */
export const MAX_MESSAGE_BYTES = 32 << 20;
/** The part of a message that is left for other fields than pictures, in bytes. */
const OTHER_FIELDS_BYTES = 1 << 20;

/** A selection whose pictures fit the largest message, unless it has a limit of its own. */
export function withPictureLimit(
  selection: MessageInitShape<typeof PictureSelectionSchema> | undefined,
): PictureSelection {
  const pictures = create(PictureSelectionSchema, selection);
  pictures.maxPictureBytes ??= MAX_MESSAGE_BYTES - OTHER_FIELDS_BYTES;
  return pictures;
}

/** A picture of a frame with its bytes. */
export interface PictureData {
  /** The media type, for example `image/jpeg`; empty for raw pixels. */
  readonly mediaType: string;
  /** The width in pixels; 0 if it is not known. */
  readonly width: number;
  /** The height in pixels; 0 if it is not known. */
  readonly height: number;
  /** The bytes as they were delivered. */
  readonly data: Uint8Array<ArrayBuffer>;
}

const MEDIA_TYPES: Partial<Record<PictureFormat, string>> = {
  [PictureFormat.JPEG]: "image/jpeg",
  [PictureFormat.PNG]: "image/png",
  [PictureFormat.WEBP]: "image/webp",
};

/** Returns a picture of a frame: the one of a role, or the first. Throws a RangeError that says why there is none. */
export function pictureOf(frame: ProcessedFrame, role?: PictureRole): PictureData {
  const picture = frame.pictures.find((one) => role === undefined || one.role === role);
  if (picture?.content.case !== "data")
    throw new RangeError(`${frame.streamId} ${frame.sequence}: no picture: ${whyOmitted(picture)}`);
  const { format, width, height } = picture;
  return {
    mediaType: MEDIA_TYPES[format] ?? "",
    width,
    height,
    data: picture.content.value as Uint8Array<ArrayBuffer>,
  };
}

function whyOmitted(picture: Picture | undefined): string {
  if (picture === undefined) return "it was not requested";
  return picture.content.case === "omittedReason"
    ? enumName(OmittedReasonSchema, picture.content.value)
    : "it was omitted";
}

/** Returns a picture of a frame as a Blob. */
export function blobOf(frame: ProcessedFrame, role?: PictureRole): Blob {
  const { data, mediaType } = pictureOf(frame, role);
  return new Blob([data], { type: mediaType });
}
