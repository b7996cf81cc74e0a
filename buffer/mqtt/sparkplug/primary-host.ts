/**
 * Whether the primary host application is there, from its retained STATE (Sparkplug 3.0 §5.4, §5.5): JSON
 * {online, timestamp}. One that is older than the newest seen is stale and changes nothing, on whichever broker it lies.
 */
import { isRecord } from "../../../agent/contract/shape.ts";

/** A STATE is some 50 bytes. */
const LARGEST_STATE_BYTES = 4_096;

export type HostNews = "online" | "offline" | "stale" | "malformed";

export class PrimaryHost {
  #newest: number | null = null;

  take(payload: Uint8Array): HostNews {
    const state = decode(payload);
    if (state === null) return "malformed";
    if (this.#newest !== null && state.timestamp < this.#newest) return "stale";
    this.#newest = state.timestamp;
    return state.online ? "online" : "offline";
  }
}

function decode(payload: Uint8Array): { readonly online: boolean; readonly timestamp: number } | null {
  if (payload.length > LARGEST_STATE_BYTES) return null;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(payload));
  } catch {
    return null; // Not JSON: an old host's ONLINE or OFFLINE, or rubbish. Neither says when.
  }
  if (!isRecord(value)) return null;
  const { online, timestamp } = value;
  return typeof online === "boolean" && typeof timestamp === "number" && Number.isSafeInteger(timestamp) && timestamp >= 0 ? { online, timestamp } : null;
}
