/** The Sparkplug output as a destination offers it. What it is made of, Protobuf among it, is loaded when it first runs. */
import type { AgentIdentity, DestinationPorts, LiveOutput } from "../../../agent/contract/destination.ts";
import type { Connection } from "../connection.ts";
import { namesOf, type SparkplugConfig } from "./config.ts";

/** Of a CONNECT: QoS 1, not retained. */
export interface Will {
  readonly topic: string;
  readonly payload: Uint8Array;
}
export interface SparkplugParts {
  readonly config: SparkplugConfig;
  readonly identity: AgentIdentity;
  /** Of the destination. */
  readonly name: string;
  readonly liveMs: number;
  readonly ports: DestinationPorts;
  /** Opens a connection with this will to the broker whose turn it is: `turn` rises by one when the next is to be tried. */
  readonly open: (will: Will, turn: number, signal: AbortSignal) => Promise<Connection>;
  readonly brokers: number;
}

export function sparkplugLive({ config, identity, name, liveMs, ports, open, brokers }: SparkplugParts): LiveOutput {
  const own = { ...ports, log: ports.log.child({ output: "sparkplug" }) };
  let running: LiveOutput | null = null;
  return {
    async run(board, signal) {
      try {
        const [{ EdgeNode }, { BirthNumber }, { sparkplugOutput }] = await Promise.all([import("./edge-node.ts"), import("./birth-number.ts"), import("./output.ts")]);
        const node = new EdgeNode({ config, names: namesOf(config, identity), destination: name, liveMs, ports: own });
        running = sparkplugOutput({ node, birthNumber: new BirthNumber(name, own), primaryHost: config.primary_host, open, brokers, ports: own });
        await running.run(board, signal);
      } catch (cause) {
        own.log.error({ reason: cause instanceof Error ? cause.stack : String(cause) }, "the Sparkplug output has stopped, which it should not: please report this");
      }
    },
    status: () => running?.status() ?? { kind: "sparkplug", link: "connecting" },
  };
}
