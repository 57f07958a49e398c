/**
 * The client for Node.js, over gRPC.
 *
 * @module
 */
export * from "../core/index.js";
export { connect, type ConnectOptions } from "./connect.js";
export { FileCursorStore } from "./file-store.js";
