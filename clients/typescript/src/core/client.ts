import { type MessageInitShape } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, createClient, type Client as Stub } from "@connectrpc/connect";
import { ConsumerGroupService } from "../gen/frameway/v1/consumer_group_service_pb.js";
import { DeadLetterService } from "../gen/frameway/v1/dead_letter_service_pb.js";
import { type PictureSelectionSchema, type ProcessedFrame } from "../gen/frameway/v1/processed_frame_pb.js";
import { QueueService } from "../gen/frameway/v1/queue_service_pb.js";
import { StreamRegistryService } from "../gen/frameway/v1/stream_registry_service_pb.js";
import { type MissingReason, MissingReasonSchema, StreamingService } from "../gen/frameway/v1/streaming_service_pb.js";
import { type StreamSelectorSchema } from "../gen/frameway/v1/subscription_pb.js";
import { Connection, type Endpoint, type Logger } from "./connection.js";
import { type ConsumeOptions, Consumer, type Handler } from "./consume.js";
import { enumName, FramewayError } from "./errors.js";
import { withPictureLimit } from "./pictures.js";
import { Publisher, type PublisherOptions } from "./publisher.js";
import { type SubmitMode } from "./submit.js";
import { subscribe, type SubscribeOptions, type SubscriptionEvent } from "./subscribe.js";

/** The newest frame of a stream, or why there is none. */
export type Latest =
  | {
      readonly status: "frame";
      readonly streamId: string;
      readonly sequence: number;
      readonly ageMs: number;
      readonly frame: ProcessedFrame;
    }
  | {
      readonly status: "missing";
      readonly streamId: string;
      readonly reason: keyof typeof MissingReason | `${number}`;
    };

/** A client of a server. The five stubs have every call; the methods add what most programs need. */
export class Client {
  /** Submits, delivers and consumes frames. */
  readonly streaming: Stub<typeof StreamingService>;
  /** Registers streams and their settings. */
  readonly registry: Stub<typeof StreamRegistryService>;
  /** Manages consumer groups. */
  readonly groups: Stub<typeof ConsumerGroupService>;
  /** Lists, replays and discards frames that were given up. */
  readonly deadLetters: Stub<typeof DeadLetterService>;
  /** Shows and operates the work queues. */
  readonly queues: Stub<typeof QueueService>;
  readonly #submitMode: SubmitMode;

  private constructor(
    private readonly connection: Connection,
    submitMode: (stub: Stub<typeof StreamingService>) => SubmitMode,
  ) {
    this.streaming = createClient(StreamingService, connection);
    this.registry = createClient(StreamRegistryService, connection);
    this.groups = createClient(ConsumerGroupService, connection);
    this.deadLetters = createClient(DeadLetterService, connection);
    this.queues = createClient(QueueService, connection);
    this.#submitMode = submitMode(this.streaming);
  }

  /** Connects to the first of several addresses that answers within the time. @internal */
  static async connect(
    endpoints: readonly Endpoint[],
    submitMode: (stub: Stub<typeof StreamingService>) => SubmitMode,
    options: {
      readonly timeoutMs: number;
      readonly logger: Logger | undefined;
      readonly signal: AbortSignal | undefined;
    },
  ): Promise<Client> {
    const connection = new Connection(endpoints, options.logger);
    const client = new Client(connection, submitMode);
    const { timeoutMs, signal } = options;
    try {
      await connection.find((transport) =>
        createClient(StreamingService, transport).getServerInfo({}, { timeoutMs, ...(signal && { signal }) }),
      );
    } catch (error) {
      client.close();
      signal?.throwIfAborted();
      throw error;
    }
    return client;
  }

  /** Ends every call, and closes the connections. */
  close(): void {
    this.connection.close(new FramewayError("the client is closed", { code: Code.Canceled }));
  }

  /** Returns a publisher, which numbers frames and sends them again when that is safe. */
  publisher(options: PublisherOptions): Publisher {
    return new Publisher(this.#submitMode, options, this.connection.closed, this.connection.logger);
  }

  /** Subscribes to streams: ids, patterns (`cam-*`), or selectors. Resumes after its cursors when a connection breaks. */
  subscribe(
    streams: string | readonly (string | MessageInitShape<typeof StreamSelectorSchema>)[],
    options: SubscribeOptions = {},
  ): AsyncGenerator<SubscriptionEvent, void> {
    return subscribe(this.streaming, this.connection.closed, streams, options);
  }

  /** Joins a consumer group, and calls the handler for each frame of it. */
  consume(options: ConsumeOptions, handler: Handler): Consumer {
    return new Consumer(this.streaming, options, handler, this.connection.closed, this.connection.logger);
  }

  /** Reads the newest frame of each stream. The results have the order of the streams. */
  async latest(
    streamIds: readonly string[],
    options: {
      readonly pictures?: MessageInitShape<typeof PictureSelectionSchema>;
      readonly signal?: AbortSignal;
    } = {},
  ): Promise<Latest[]> {
    const request = { streamIds: [...streamIds], pictures: withPictureLimit(options.pictures) };
    const { results } = await this.streaming.getLatestFrames(request, options.signal ? { signal: options.signal } : {});
    return results.map(({ streamId, outcome, age }) => {
      if (outcome.case === "frame") {
        const frame = outcome.value;
        return { status: "frame", streamId, sequence: Number(frame.sequence), ageMs: age ? durationMs(age) : 0, frame };
      }
      const reason = enumName(MissingReasonSchema, outcome.value?.reason ?? 0) as keyof typeof MissingReason;
      return { status: "missing", streamId, reason };
    });
  }
}
