/** The manners of looking, by a clock that moves when told: how fast, how many at a host, and what is not tried again. */
import { describe, expect, it } from "vitest";
import { LinkError, NoConnectionError } from "../../../../agent/contract/errors.ts";
import type { Found, TcpAddress } from "../../../../agent/contract/survey.ts";
import { scan, type Host, type Oddity } from "../../../../agent/cli/find/scan.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { testPorts } from "../../../support/ports.ts";

const forever = new AbortController().signal;
const FOUND: Found = { words: "it", keys: {} };
type Identify = (at: TcpAddress, signal: AbortSignal) => Promise<readonly Found[]>;

const hostsOf = (count: number, ports: readonly number[], identify: Identify): readonly Host[] => Array.from({ length: count }, (_, index) => ({
  host: `10.0.0.${index}`, attempts: ports.map((port) => ({ kind: "any", port, survey: { identify: ({ at }, _ports, signal) => identify(at, signal) } })),
}));

function looking(hosts: readonly Host[]) {
  const network = fakeClock();
  const found: TcpAddress[] = [];
  const oddities: Oddity[] = [];
  const running = (signal = forever): Promise<void> => scan({ hosts, perSecond: 20, timeoutMs: 1_000, ports: testPorts({ network }), onFound: ({ at }) => void found.push(at), onOddity: (one) => void oddities.push(one), onHost: () => undefined }, signal);
  return { network, found, oddities, running };
}

describe("looking", () => {
  it("connects 20 times a second, over all hosts, also after a pause", async () => {
    const at: number[] = [];
    const task = looking(hostsOf(200, [1], async () => {
      at.push(task.network.now().monoMs);
      // All of the first ones are slow: their turns are not made up for.
      if (at.length <= 40) await task.network.sleep(3_000, forever);
      return [FOUND];
    }));
    const done = task.running();
    await task.network.advance(30_000);
    await done;
    expect(at).toHaveLength(200);
    expect(Math.min(...at.slice(1).map((one, index) => one - (at[index] ?? 0)))).toBeGreaterThanOrEqual(50);
    expect(task.found).toHaveLength(200);
  });

  it("has one connection at a host at a time", async () => {
    const open = new Map<string, number>();
    let most = 0;
    const task = looking(hostsOf(5, [1, 2, 3, 4], async ({ host }) => {
      open.set(host, (open.get(host) ?? 0) + 1);
      most = Math.max(most, open.get(host) ?? 0);
      await task.network.sleep(500, forever);
      open.set(host, (open.get(host) ?? 0) - 1);
      return [];
    }));
    const done = task.running();
    await task.network.advance(30_000);
    await done;
    expect(most).toBe(1);
  });

  it("leaves a host alone that cannot be reached, and a port that is closed; what answers otherwise is told", async () => {
    const tried: string[] = [];
    const task = looking([...hostsOf(3, [1, 1, 2], ({ host, port }) => {
      tried.push(`${host}:${port}`);
      if (host === "10.0.0.0") return Promise.reject(new NoConnectionError("unreachable", "backoff", "no way"));
      if (host === "10.0.0.1") return Promise.reject(new NoConnectionError("refused", "backoff", "closed"));
      return Promise.reject(new LinkError("protocol", "backoff", "strange"));
    })]);
    const done = task.running();
    await task.network.advance(10_000);
    await done;
    expect(new Set(tried)).toEqual(new Set(["10.0.0.0:1", "10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1", "10.0.0.2:2"]));
    expect(tried).toHaveLength(6);
    expect(task.oddities.map(({ at, message }) => `${at.host}:${at.port} ${message}`)).toEqual(["10.0.0.2:1 strange", "10.0.0.2:1 strange", "10.0.0.2:2 strange"]);
  });

  it("ends with the signal's reason, and a fault of our own is one", async () => {
    const stopping = new AbortController();
    const task = looking(hostsOf(500, [1], (_, signal) => task.network.sleep(60_000, signal).then(() => [])));
    const ended = task.running(stopping.signal).catch((cause: unknown) => cause);
    await task.network.advance(2_000);
    stopping.abort(new Error("stopped by SIGINT"));
    expect(await ended).toMatchObject({ message: "stopped by SIGINT" });
    const broken = looking(hostsOf(1, [1], () => Promise.reject(new TypeError("a fault"))));
    const failed = broken.running().catch((cause: unknown) => cause);
    await broken.network.advance(100);
    expect(await failed).toBeInstanceOf(TypeError);
  });
});
