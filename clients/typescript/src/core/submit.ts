import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Client as Stub } from "@connectrpc/connect";
import { type Frame } from "../gen/frameway/v1/frame_pb.js";
import {
  type PublisherPosition,
  type StreamingService,
  type SubmitFramesRequestSchema,
  type SubmitFramesResponse,
  SubmitFramesResponseSchema,
  type SubmitReady,
  SubmitReadySchema,
  type SubmitSetupSchema,
} from "../gen/frameway/v1/streaming_service_pb.js";
import { ConnectionError } from "./errors.js";
import { HEARTBEAT_MS, watched } from "./follow.js";
import { Mailbox } from "./mailbox.js";
import { MAX_MESSAGE_BYTES } from "./pictures.js";
import { Scope } from "./pauses.js";

type Setup = MessageInitShape<typeof SubmitSetupSchema>;
interface Batch {
  batchId: bigint;
  frames: Frame[];
}

/** An open call of a publisher. */
export interface SubmitCall {
  readonly ready: SubmitReady;
  readonly events: AsyncIterable<SubmitFramesResponse>;
  /** Sends a batch; the answer comes as an event. */
  send(batch: Batch): void;
  /** Closes this side of the call. */
  close(): void;
}

/** A way to submit frames. */
export interface SubmitMode {
  readonly heartbeatMs: number;
  open(setup: Setup, scope: Scope): Promise<SubmitCall>;
  /** Returns the positions of a publisher in streams. */
  positions(publisherId: string, streamIds: string[], signal: AbortSignal): Promise<PublisherPosition[]>;
  /** Returns the least number for the next frame. */
  firstNumber(): number;
}

/** The maximum wait until a call is ready. */
const READY_MS = 10_000;

/** Submits over SubmitFrames, where the platform has streams of requests. */
export function overStream(stub: Stub<typeof StreamingService>): SubmitMode {
  const open = async (setup: Setup, scope: Scope): Promise<SubmitCall> => {
    const requests = new Mailbox<MessageInitShape<typeof SubmitFramesRequestSchema>>();
    requests.put({ request: { case: "setup", value: setup } });
    scope.signal.addEventListener("abort", () => {
      requests.end();
    });
    const responses = stub.submitFrames(requests, { signal: scope.signal });
    const events = watched(responses, scope, READY_MS, 3 * HEARTBEAT_MS);
    const ready = await readyOf(events);
    return {
      ready,
      events,
      send: (batch) => {
        requests.put({ request: { case: "batch", value: batch } });
      },
      close: () => {
        requests.end();
      },
    };
  };
  return {
    heartbeatMs: HEARTBEAT_MS,
    open,
    async positions(publisherId, resumeStreamIds, signal) {
      const scope = new Scope(signal);
      try {
        return (await open({ publisherId, resumeStreamIds }, scope)).ready.positions;
      } finally {
        scope.end();
      }
    },
    firstNumber: () => 1,
  };
}

async function readyOf(events: AsyncIterator<SubmitFramesResponse>): Promise<SubmitReady> {
  for (;;) {
    const next = await events.next();
    if (next.done || next.value.event.case === "draining") throw new ConnectionError("the server ended the call");
    if (next.value.event.case === "ready") return next.value.event.value;
  }
}

/**
 * Submits over SubmitFrameBatch, one batch at a time, for browsers.
 *
 * Without a call that tells positions, the frames are numbered by the clock: microseconds since 1970, which rise over restarts.
 */
export function overBatches(stub: Stub<typeof StreamingService>): SubmitMode {
  const bounds = { maxBatchFrames: 100, maxMessageBytes: BigInt(MAX_MESSAGE_BYTES), maxInFlightBatches: 1 };
  return {
    heartbeatMs: HEARTBEAT_MS,
    open(_setup, scope) {
      const events = new Mailbox<SubmitFramesResponse>();
      scope.signal.addEventListener("abort", () => {
        events.end(scope.signal.reason);
      });
      const answer = async ({ batchId, frames }: Batch) => {
        const { results } = await stub.submitFrameBatch({ frames }, { signal: scope.signal });
        events.put(create(SubmitFramesResponseSchema, { event: { case: "batchResult", value: { batchId, results } } }));
      };
      return Promise.resolve({
        ready: create(SubmitReadySchema, { ...bounds, maxInFlightBytes: bounds.maxMessageBytes }),
        events,
        send: (batch) => {
          answer(batch).catch((error: unknown) => {
            events.end(error);
          });
        },
        close: () => {
          events.end();
        },
      });
    },
    positions: () => Promise.resolve([]),
    firstNumber: () => Date.now() * 1000,
  };
}
