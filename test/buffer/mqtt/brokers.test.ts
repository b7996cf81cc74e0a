import { afterAll, beforeAll, describe } from "vitest";
import { destinationConformance } from "../../conformance/destination.ts";
import { startAedes, startMosquitto, type AedesBroker, type Mosquitto } from "../../support/broker.ts";
import { destinationAt } from "../../support/delivering.ts";
import { freePort } from "../../support/free-port.ts";
import { describeNeeding } from "../../support/needs.ts";
import { answeringPeers } from "./answering-peer.ts";

const unreachable = async () => destinationAt(await freePort());

describeNeeding(["mosquitto"], "MQTT with Mosquitto as a destination like any other", () => {
  let broker: Mosquitto | undefined;
  beforeAll(async () => { broker = await startMosquitto(); });
  afterAll(async () => { await broker?.[Symbol.asyncDispose](); });
  const port = (): number => broker?.port ?? 0;

  describe("MQTT 5", () => { destinationConformance(answeringPeers(port, { protocol: "5" }), unreachable); });
  describe("MQTT 3.1.1", () => { destinationConformance(answeringPeers(port, { protocol: "3.1.1" }), unreachable, { refuses: false }); });
});

describe("MQTT with aedes as a destination like any other", () => {
  let broker: AedesBroker | undefined;
  beforeAll(async () => { broker = await startAedes(); });
  afterAll(async () => { await broker?.[Symbol.asyncDispose](); });
  const port = (): number => broker?.port ?? 0;

  destinationConformance(answeringPeers(port, {}), unreachable, { refuses: false });
});
