/** A real Mosquitto with a subscriber of its own connection behind it, whose log is what was received. */
import { openSync, writeSync } from "node:fs";
import { connectAsync, type MqttClient } from "mqtt";
import { receivedLog } from "./evidence.ts";
import { sleep } from "./shop.ts";

const DRAINS_MS = 2_000;

export interface Listener extends AsyncDisposable {
  readonly name: string;
  readonly complaints: readonly string[];
}

/**
 * Subscribes to all records. QoS 0: what the broker acknowledged to the agent it has written to us before. All that comes
 * is of connection "1": whatever an agent sends again after a lost link must say so.
 */
export async function listenAt(port: number, folder: string, name: string): Promise<Listener> {
  const log = openSync(receivedLog(folder), "a");
  const client: MqttClient = await connectAsync({ host: "127.0.0.1", port, protocol: "mqtt", protocolVersion: 4, reconnectPeriod: 0, clientId: `listener-${process.pid}-${process.hrtime.bigint()}` });
  client.on("error", () => undefined);
  client.on("message", (topic, payload) => {
    if (topic.includes("/rec/")) writeSync(log, `1\t${name}\t${payload.toString()}\n`);
  });
  await client.subscribeAsync("cellgate/v1/#", { qos: 0 });
  const closed = new Promise<void>((resolve) => void client.once("close", () => { resolve(); }));
  return {
    name, complaints: [],
    async [Symbol.asyncDispose]() {
      // What a killed broker had written lies in the socket until its end is read: thrown away, it would look forgotten.
      if (client.connected) await Promise.race([closed, sleep(DRAINS_MS)]);
      await client.endAsync(true);
    },
  };
}
