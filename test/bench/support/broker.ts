/** A real Mosquitto and a listener with a connection of its own, which says when each message came. */
import { connectAsync } from "mqtt";
import { startMosquitto, type Mosquitto } from "../../support/broker.ts";
import { needs } from "../../support/needs.ts";

export async function startBroker(): Promise<Mosquitto> {
  const missing = needs("mosquitto");
  if (missing !== null) throw new Error(`this bench needs a broker: ${missing}`);
  return startMosquitto(["max_inflight_messages 1000", "max_queued_messages 0", "set_tcp_nodelay true"]);
}

/** `atMs` on the scale of `performance.now()` of this process. */
export async function listen(port: number, filter: string, onMessage: (topic: string, text: string, atMs: number) => void): Promise<AsyncDisposable> {
  const client = await connectAsync({ host: "127.0.0.1", port, protocol: "mqtt", protocolVersion: 4, reconnectPeriod: 0, clientId: `bench-${Math.random().toString(36).slice(2)}` });
  client.on("error", () => undefined);
  client.on("message", (topic, payload) => {
    const atMs = performance.now();
    onMessage(topic, payload.toString(), atMs);
  });
  await client.subscribeAsync(filter, { qos: 0 });
  return { async [Symbol.asyncDispose]() { await client.endAsync(true); } };
}
