/** Runs the real delivery loop with the real MQTT destination against whatever broker stands at a port. */
import { mqttDestination } from "../../buffer/mqtt/destination.ts";
import { decode } from "../../agent/contract/shape.ts";
import type { AgentIdentity, Board, Destination, Latest, Pacing, Retained } from "../../agent/contract/destination.ts";
import type { Keep, Ports } from "../../agent/contract/ports.ts";
import type { Link } from "../../agent/contract/source.ts";
import type { Outbox } from "../../agent/contract/outbox.ts";
import { deliver } from "../../agent/runtime/link/deliver.ts";
import { AT_ONCE } from "../../agent/runtime/link/pacing.ts";
import { SAMPLE_CONTEXT } from "./sample-records.ts";
import { memoryKeep, testPorts } from "./ports.ts";
import { unixMs } from "../../agent/contract/time.ts";

export const IDENTITY: AgentIdentity = { id: "cell-7", site: "lyon", area: "machining", cell: "cell-7", version: "0.1.0", bootId: "boot-1", epoch: "epoch-1", releasedAt: unixMs(Date.UTC(2026, 0, 1)) };
export const MACHINE_PATH = "cellgate/v1/lyon/machining/cell-7/vmc-3";
export const AGENT_PATH = "cellgate/v1/lyon/machining/cell-7/_agent/cell-7";

/** `keys` as in the YAML; the url is added. */
export function destinationAt(port: number, keys: object = {}, ports: Ports & { readonly keep?: Keep } = testPorts(), scheme = "mqtt"): Destination {
  const decoded = decode(mqttDestination.shape, { url: `${scheme}://127.0.0.1:${port}`, ...keys });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return mqttDestination.create(decoded.value, IDENTITY, { keep: memoryKeep(), ...ports }, "bridge");
}

type Shown = Retained | Latest;
export interface TestBoard extends Board {
  put(...values: readonly Shown[]): void;
}
export function testBoard(...first: readonly Shown[]): TestBoard {
  let all = [...first];
  const listeners = new Set<(changed: readonly Shown[]) => void>();
  const key = (value: Shown): string => `${value.scope} ${"machine" in value ? value.machine : ""} ${value.scope === "live" ? value.name : value.scope === "record" ? value.record.type : ""}`;
  return {
    all: () => all,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    put(...values) {
      all = [...all.filter((old) => !values.some((value) => key(value) === key(old))), ...values];
      for (const listener of listeners) listener(values);
    },
  };
}

export interface Delivering extends AsyncDisposable {
  readonly links: readonly Link[];
  /** Resolves when a link state is seen for which this holds. */
  untilLink(condition: (link: Link) => boolean, timeoutMs?: number): Promise<Link>;
  stop(): Promise<void>;
}
export function delivering(destination: Destination, outbox: Outbox, { board = testBoard(), ports = testPorts(), pacing = AT_ONCE }: { readonly board?: Board; readonly ports?: Ports; readonly pacing?: Pacing } = {}): Delivering {
  const controller = new AbortController();
  const links: Link[] = [];
  const waiting = new Set<(link: Link) => void>();
  const onLink = (link: Link): void => {
    links.push(link);
    for (const look of waiting) look(link);
  };
  const ended = deliver({ destination, outbox, board, ports, pacing, onLink }, controller.signal);
  const stop = async (): Promise<void> => {
    controller.abort(new Error("test over"));
    await ended;
  };
  return {
    links, stop,
    untilLink(condition, timeoutMs = 10_000) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`link state not seen: ${JSON.stringify(links)}`)), timeoutMs);
        const look = (link: Link): void => {
          if (!condition(link)) return;
          clearTimeout(timer);
          waiting.delete(look);
          resolve(link);
        };
        waiting.add(look);
        for (const link of links) look(link);
      });
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** Commits records of the sample machine. */
export const put = (outbox: Outbox, records: Parameters<Outbox["commit"]>[0]["records"], machine: string | null = "VMC-3"): Promise<number> =>
  outbox.commit({ machine, context: JSON.stringify(SAMPLE_CONTEXT), records, checkpoint: null, observedAt: unixMs(Date.UTC(2026, 2, 3, 7, 16)) });

interface Event {
  readonly id: string;
  readonly seq: number;
  readonly prev: number;
  readonly replay?: boolean;
  readonly [attribute: string]: unknown;
}
export const eventOf = (text: string): Event => JSON.parse(text) as Event;
