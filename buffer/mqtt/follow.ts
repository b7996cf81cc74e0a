/**
 * Ledger records as they arrive at the broker, for `cellgate tail --records`: a subscriber of its own beside the agent,
 * with another client id and no session. A reader that is too slow loses the oldest: this is for looking.
 */
import { MqttClient } from "mqtt";
import type { AgentIdentity } from "../../agent/contract/destination.ts";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import type { MqttConfig } from "./config.ts";
import { connectionOptions } from "./destination.ts";
import { passExpected } from "./expected-packets.ts";
import { limitPackets } from "./packet-limit.ts";
import { openSocket } from "./socket.ts";
import { topicsOf } from "./topic.ts";

export interface FollowOptions {
  readonly config: MqttConfig;
  readonly identity: AgentIdentity;
  readonly machines: readonly string[];
  readonly ports: Ports;
}

const HELD_MESSAGES = 1_000;
const LARGEST_RECORD_BYTES = 4 * 1_048_576;
const CONNECT_TIMEOUT_MS = 15_000;

/** Yields payload texts until the signal aborts; throws LinkError when the broker cannot be reached or is lost. */
export async function* followRecords({ config, identity, machines, ports }: FollowOptions, signal: AbortSignal): AsyncGenerator<string, void, void> {
  const { address, username, password } = await connectionOptions(config, identity, ports);
  const deadline = ports.network.deadline(CONNECT_TIMEOUT_MS, signal);
  const { stream } = await openSocket(address, deadline.signal).finally(() => { deadline.clear(); });
  const client = new MqttClient(() => stream, {
    clientId: `tail-${Math.trunc(ports.random() * 0xffff_ffff).toString(16)}`, protocolId: "MQTT", protocolVersion: 4, clean: true, reconnectPeriod: 0,
    ...(username !== undefined && { username }), ...(password !== undefined && { password }), log: () => undefined,
  });
  const held: string[] = [];
  let ring = (): void => undefined;
  let lost: { readonly error: LinkError } | null = null;
  const fail = (text: string, cause?: unknown): void => {
    lost ??= { error: new LinkError("lost", "backoff", text, { cause }) };
    ring();
  };
  const onAbort = (): void => { ring(); };
  const topics = topicsOf(config.topic, identity);
  client.on("connect", () => client.subscribe(machines.map((machine) => topics.record(machine, "state").replace(/state$/, "+")), { qos: 1 }, (error) => { if (error) fail(`The broker at ${config.url[0] ?? ""} refused the subscription: ${error.message}`, error); }));
  client.on("message", (_topic, payload) => {
    if (held.push(payload.toString("utf8")) > HELD_MESSAGES) held.shift();
    ring();
  });
  const onError = (error: Error): void => { fail(`The broker at ${config.url[0] ?? ""}: ${error.message}`, error); };
  passExpected(client, { isOver: () => false, onWrong: onError });
  limitPackets(stream, LARGEST_RECORD_BYTES, onError);
  client.on("error", onError);
  client.on("close", () => { fail(`The broker at ${config.url[0] ?? ""} closed the connection.`); });
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    while (!signal.aborted) {
      const rung = new Promise<void>((resolve) => (ring = resolve));
      for (let text = held.shift(); text !== undefined; text = held.shift()) yield text;
      if (lost !== null) throw (lost as { readonly error: LinkError }).error;
      if (!signal.aborted && held.length === 0) await rung;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    client.end(true);
  }
}
