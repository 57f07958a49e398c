import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Client as Stub } from "@connectrpc/connect";
import { type PictureSelectionSchema, type ProcessedFrame } from "../gen/frameway/v1/processed_frame_pb.js";
import { type StreamingService, type SubscribeFramesResponse } from "../gen/frameway/v1/streaming_service_pb.js";
import { type StreamMatch, StreamMatchSchema } from "../gen/frameway/v1/stream_pb.js";
import {
  type FrameFilterSchema,
  type Gap,
  type GapReason,
  GapReasonSchema,
  type OverflowPolicy,
  type SamplingSchema,
  StartPositionSchema,
  type StopPositionSchema,
  type StreamSelector,
  StreamSelectorSchema,
} from "../gen/frameway/v1/subscription_pb.js";
import { type Cursors, type CursorStore, StoredCursors } from "./cursors.js";
import { enumName } from "./errors.js";
import { follow, HEARTBEAT_MS, type Reconnecting } from "./follow.js";
import { policyOf, Scope } from "./pauses.js";
import { withPictureLimit } from "./pictures.js";

/** Where a stream begins: its next frame, its oldest kept one, a sequence, or a time. */
export type Start = "live" | "earliest" | { readonly sequence: number } | { readonly since: Date };

/** The options of a subscription. */
export interface SubscribeOptions {
  /** The start of each stream without a cursor. The default is `live`. */
  readonly start?: Start;
  /** The stop of each stream. The default is never. */
  readonly stop?: MessageInitShape<typeof StopPositionSchema>;
  /** Sends fewer frames. */
  readonly sampling?: MessageInitShape<typeof SamplingSchema>;
  /** Leaves out frames by their content. */
  readonly filter?: MessageInitShape<typeof FrameFilterSchema>;
  /** The pictures that come with a frame. The default is the processed one. */
  readonly pictures?: MessageInitShape<typeof PictureSelectionSchema>;
  /** Leaves out frames that are older, in milliseconds. */
  readonly maxAgeMs?: number;
  /** Says what happens when the program is too slow. */
  readonly overflowPolicy?: OverflowPolicy;
  /** Ends after this many frames. */
  readonly stopAfterFrames?: number;
  /** Ends when everything that was published before is received. */
  readonly stopAtHead?: boolean;
  /** Resume after these cursors. */
  readonly cursors?: Cursors;
  /** Keeps the cursors, so that a restarted program goes on. */
  readonly store?: CursorStore;
  /** The time between two saves, in milliseconds. The default is 1,000. 0 = after each frame. */
  readonly storeIntervalMs?: number;
  /** The time between heartbeats, in milliseconds. Three of them without a message end the call, which is resumed. */
  readonly heartbeatMs?: number;
  /** The time without a sign of life after which the subscription gives up, in milliseconds. The default is 60,000. */
  readonly patienceMs?: number;
  /** Ends the subscription: the iterator throws the reason of the signal. */
  readonly signal?: AbortSignal;
}

/** One reason of a gap. */
export interface GapCause {
  /** The reason, or the number of one that this client does not know. */
  readonly reason: keyof typeof GapReason | `${number}`;
  /** The number of sequences that are missing for it. */
  readonly count: number;
}

/** Frames that are not sent. */
export interface GapEvent {
  readonly type: "gap";
  readonly streamId: string;
  /** The first sequence that is not sent; 0 for a stretch of time. */
  readonly from: number;
  /** The last sequence that is not sent; 0 for a stretch of time. */
  readonly to: number;
  readonly causes: readonly GapCause[];
  readonly gap: Gap;
  readonly cursor: string;
}

/** The next frame of a stream. */
export interface FrameEvent {
  readonly type: "frame";
  readonly streamId: string;
  readonly sequence: number;
  readonly frame: ProcessedFrame;
  readonly cursor: string;
}

/** An event of a subscription. */
export type SubscriptionEvent =
  | FrameEvent
  | GapEvent
  /** The starts are fixed: every frame that is published from now on comes as a frame or in a gap. */
  | { readonly type: "started"; readonly cursors: Cursors }
  /** Everything up to these cursors was received. */
  | { readonly type: "checkpoint"; readonly cursors: Cursors }
  /** The number of frames that are published and not received yet. */
  | { readonly type: "lag"; readonly frames: number }
  | Reconnecting;

type SelectorInit = MessageInitShape<typeof StreamSelectorSchema>;

/**
 * Subscribes to streams: ids, patterns (`cam-*`), or selectors.
 *
 * A position counts as done when the program asks for the event after it.
 */
export async function* subscribe(
  stub: Stub<typeof StreamingService>,
  closed: AbortSignal,
  streams: string | readonly (string | SelectorInit)[],
  options: SubscribeOptions,
): AsyncGenerator<SubscriptionEvent, void> {
  const selectors = selectorsOf(typeof streams === "string" ? [streams] : streams, options);
  const selection = selectors.flatMap((selector) => selector.streams.map(matchName));
  const store = options.store && new StoredCursors(options.store, selection, options.storeIntervalMs ?? 1000);
  const done: Record<string, string> = { ...(await store?.load()), ...options.cursors };
  const heartbeatMs = options.heartbeatMs ?? HEARTBEAT_MS;
  const scope = new Scope(options.signal, closed);
  let started = false;
  let left = options.stopAfterFrames;
  const advance = (streamId: string, cursor: string) => {
    if (cursor !== "") done[streamId] = cursor;
  };
  const events = follow<SubscribeFramesResponse>({
    open: (signal) =>
      stub.subscribeFrames(
        {
          selectors: selectors.flatMap((selector) => resumed(selector, done, started)),
          heartbeatInterval: durationFromMs(heartbeatMs),
          ...(left === undefined ? {} : { stopAfterFrames: BigInt(left) }),
          stopAtHead: options.stopAtHead ?? false,
        },
        { signal },
      ),
    // A checkpoint proves nothing: every call begins with one, even a call that then fails.
    proves: ({ event }) =>
      event.case === "frame" || event.case === "gap" ? "progress" : event.case === "heartbeat" ? "alive" : "nothing",
    policy: policyOf("frameway.v1.StreamingService", "SubscribeFrames"),
    heartbeatMs,
    patienceMs: options.patienceMs ?? 60_000,
    signal: scope.signal,
  });
  try {
    for await (const message of events) {
      if ("type" in message) {
        yield message;
        continue;
      }
      const { event } = message;
      switch (event.case) {
        case "frame":
          if (event.value.frame === undefined) break;
          yield frameEvent(event.value.frame, event.value.cursor);
          advance(event.value.frame.streamId, event.value.cursor);
          if (left !== undefined && --left === 0) return;
          break;
        case "gap":
          if (event.value.gap === undefined) break;
          yield gapEvent(event.value.gap, event.value.cursor);
          advance(event.value.gap.streamId, event.value.cursor);
          break;
        case "heartbeat":
          yield { type: "lag", frames: event.value.streams.reduce((sum, { lagFrames }) => sum + Number(lagFrames), 0) };
          break;
        case "checkpoint":
        case "draining":
          for (const { streamId, cursor } of event.value.cursors) advance(streamId, cursor);
          if (event.case === "checkpoint") yield { type: started ? "checkpoint" : "started", cursors: { ...done } };
          started = true;
      }
      await store?.save(done, false);
    }
  } finally {
    scope.end();
    await store?.save(done, true);
  }
}

function selectorsOf(streams: readonly (string | SelectorInit)[], options: SubscribeOptions): StreamSelector[] {
  const named = streams.filter((one) => typeof one === "string").map(streamMatch);
  const shared: SelectorInit = {
    streams: named,
    start: startPosition(options.start ?? "live"),
    ...(options.stop && { stop: options.stop }),
    ...(options.sampling && { sampling: options.sampling }),
    ...(options.filter && { filter: options.filter }),
    ...(options.pictures && { pictures: options.pictures }),
    ...(options.maxAgeMs !== undefined && { maxAge: durationFromMs(options.maxAgeMs) }),
    ...(options.overflowPolicy && { overflowPolicy: options.overflowPolicy }),
  };
  const own = streams.filter((one) => typeof one !== "string");
  return [...(named.length > 0 ? [shared] : []), ...own].map((init) => {
    const selector = create(StreamSelectorSchema, init);
    selector.pictures = withPictureLimit(selector.pictures);
    return selector;
  });
}

/** Selects one stream by its id, or all whose ids match a pattern. */
export function streamMatch(stream: string): StreamMatch {
  return create(StreamMatchSchema, { selector: { case: /[*?[]/.test(stream) ? "glob" : "id", value: stream } });
}

function matchName({ selector }: StreamMatch): string {
  return selector.case === "id" || selector.case === "glob" ? selector.value : JSON.stringify(selector);
}

function startPosition(start: Start): MessageInitShape<typeof StartPositionSchema> {
  if (start === "live") return { position: { case: "live", value: {} } };
  if (start === "earliest") return { position: { case: "earliest", value: {} } };
  if ("sequence" in start) return { position: { case: "sequence", value: BigInt(start.sequence) } };
  return { position: { case: "receiveTime", value: timestampFromDate(start.since) } };
}

/** Starts after the cursors. A stream that a program has added since its cursors were stored has its own start. */
function resumed(selector: StreamSelector, done: Cursors, started: boolean): StreamSelector[] {
  if (!started && Object.keys(done).length === 0) return [selector];
  const isNew = ({ selector }: StreamMatch) => !started && selector.case === "id" && done[selector.value] === undefined;
  const added = selector.streams.filter(isNew);
  const known = selector.streams.filter((match) => !isNew(match));
  const cursors = Object.entries(done)
    .filter(([id]) => known.some(({ selector }) => selector.case !== "id" || selector.value === id))
    .map(([streamId, cursor]) => ({ streamId, cursor }));
  const start = create(StartPositionSchema, { position: { case: "cursors", value: { cursors } } });
  return [
    ...(known.length > 0 ? [{ ...selector, streams: known, start }] : []),
    ...(added.length > 0 ? [{ ...selector, streams: added }] : []),
  ];
}

function frameEvent(frame: ProcessedFrame, cursor: string): FrameEvent {
  return { type: "frame", streamId: frame.streamId, sequence: Number(frame.sequence), frame, cursor };
}

/** Returns the causes of a gap, by name. */
export function gapCauses(gap: Gap): GapCause[] {
  return gap.causes.map(({ reason, count }) => ({
    reason: enumName(GapReasonSchema, reason) as GapCause["reason"],
    count: Number(count),
  }));
}

function gapEvent(gap: Gap, cursor: string): GapEvent {
  const [from, to] = [Number(gap.fromSequence), Number(gap.toSequence)];
  return { type: "gap", streamId: gap.streamId, from, to, causes: gapCauses(gap), gap, cursor };
}
