/**
 * The client for browsers, over gRPC-Web.
 *
 * @module
 */
export * from "../core/index.js";
export { connect, type ConnectOptions } from "./connect.js";
export { bitmapOf } from "./pictures.js";
export { IndexedDbCursorStore, LocalStorageCursorStore } from "./stores.js";
