export { Code } from "@connectrpc/connect";
export { Client, type Latest } from "./client.js";
export { type Logger } from "./connection.js";
export { type ConsumeOptions, Consumer, type Delivery, type Handler, Rejected } from "./consume.js";
export { type Cursors, type CursorStore } from "./cursors.js";
export {
  AccessError,
  ConnectionError,
  CursorStoreError,
  DeadlineError,
  enumName,
  type ErrorFacts,
  FramewayError,
  MessageTooLargeError,
  OptionError,
  type Reason,
} from "./errors.js";
export { type Reconnecting } from "./follow.js";
export { type Fate } from "./outbox.js";
export { blobOf, type PictureData, pictureOf } from "./pictures.js";
export { type FrameToPublish, type Published, Publisher, type PublisherOptions } from "./publisher.js";
export {
  type FrameEvent,
  type GapCause,
  type GapEvent,
  type Start,
  streamMatch,
  type SubscribeOptions,
  type SubscriptionEvent,
} from "./subscribe.js";
