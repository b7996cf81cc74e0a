/** What the delivery loop does with a mark that was left at a destination, and how a person learns of what is not believed. */
import { describe, expect, it } from "vitest";
import type { Delivery, Destination, Retained } from "../../../../agent/contract/destination.ts";
import type { LinkError } from "../../../../agent/contract/errors.ts";
import type { Heard, Mark, Outbox } from "../../../../agent/contract/outbox.ts";
import { agentHealth } from "../../../../agent/runtime/health/health.ts";
import { deliver } from "../../../../agent/runtime/link/deliver.ts";
import { Downlinks } from "../../../../agent/runtime/link/downlinks.ts";
import { commitOf, record } from "../../../buffer/records.ts";
import { open, temporaryDirectory } from "../../../buffer/support.ts";
import { IDENTITY, put, testBoard } from "../../../support/delivering.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { markingOf, memoryOutbox } from "../../../support/memory-outbox.ts";
import { testPorts } from "../../../support/ports.ts";
import { manyRecords } from "../../../support/sample-records.ts";

const LEFT: Mark = { epoch: "epoch-1", life: "life-1", through: 40 };

/** What a destination is told, in order. */
function recording(found: Promise<Mark | null>): { readonly destination: Destination; readonly seen: string[]; readonly until: (what: string) => Promise<void> } {
  const seen: string[] = [];
  const delivery: Delivery = {
    peer: "memory", found, warnings: () => [], lost: new Promise<LinkError>(() => undefined), close: () => Promise.resolve(),
    deliver(records) {
      seen.push(`rows ${records.map(({ seq }) => seq).join(" ")}`);
      return Promise.resolve({ accepted: records.map(({ seq }) => seq), rejected: [] });
    },
    retain: (values: readonly Retained[]) => void seen.push(...values.map(({ scope }) => scope)),
    mark: (through) => void seen.push(`mark ${through}`),
  };
  return {
    destination: { kind: "memory", name: "bridge", connect: (_signal, _downlink, marking) => (seen.push(`connect ${marking?.life ?? "without a life"}`), Promise.resolve(delivery)) },
    seen,
    async until(what) {
      for (const end = Date.now() + 10_000; !seen.includes(what); await new Promise((resolve) => setTimeout(resolve, 5))) if (Date.now() > end) throw new Error(`${what} is not among ${seen.join(", ")}`);
    },
  };
}

describe("the delivery loop, and a mark at the destination", () => {
  it("hands nothing over and marks nothing before it is known what was left there; current values need not wait", async () => {
    const { promise, resolve } = Promise.withResolvers<Mark | null>();
    const { destination, seen, until } = recording(promise);
    const heard: Mark[] = [];
    const outbox: Outbox = { ...memoryOutbox("epoch-1", markingOf("epoch-1", "life-2")), heard: (mark) => (heard.push(mark), { isOlder: false, doubt: "a doubt" }) };
    await put(outbox, manyRecords(3));
    const board = testBoard({ scope: "heartbeat", payload: {} });
    const [stop, doubts] = [new AbortController(), [] as string[]];
    const running = deliver({ destination, outbox, board, ports: testPorts(), onLink: () => undefined, onDoubt: (words) => doubts.push(words) }, stop.signal);
    await until("heartbeat");
    board.put({ scope: "heartbeat", payload: {} });
    expect(seen.filter((what) => what !== "heartbeat")).toEqual(["connect life-2"]);
    resolve(LEFT);
    await until("rows 1 2 3");
    expect([heard, doubts]).toEqual([[LEFT], ["a doubt"]]);
    expect(seen.filter((what) => what !== "heartbeat")).toEqual(["connect life-2", "mark 3", "rows 1 2 3"]);
    await put(outbox, manyRecords(1, 4));
    await until("rows 4");
    board.put({ scope: "heartbeat", payload: {} });
    await until("mark 4");
    stop.abort(new Error("the test is over"));
    await running;
  });

  it("hands over nothing of a buffer that is an older copy, leaves the mark as it is, and ends as for a damaged one", async () => {
    const [dataDir, ports] = [temporaryDirectory(), testPorts()];
    const first = open({ dataDir });
    await first.commit(commitOf([record(1), record(2)]));
    await first.close();
    const outbox = open({ dataDir });
    await outbox.commit(commitOf([record(3)]));
    const { destination, seen } = recording(Promise.resolve({ epoch: outbox.epoch, life: "a life before", through: 3 }));
    const running = deliver({ destination, outbox, board: testBoard({ scope: "heartbeat", payload: {} }), ports, onLink: () => undefined }, new AbortController().signal);
    await expect(running).rejects.toMatchObject({ fault: "replaced" });
    expect(seen).toEqual([`connect ${outbox.marking?.life ?? ""}`, "heartbeat"]);
    await outbox.close();
    expect(open({ dataDir }).pending("bridge", 0, 10).filter(({ type }) => type !== "loss").map(({ id }) => id)).toEqual([1, 2, 3].map((n) => record(n).id));
  });

  it("goes on where there is no buffer to be older", async () => {
    const { destination, seen, until } = recording(Promise.resolve(null));
    const never = (): Heard => { throw new Error("there was nothing to hear"); };
    const outbox: Outbox = { ...memoryOutbox(), heard: never };
    await put(outbox, manyRecords(1));
    const stop = new AbortController();
    const running = deliver({ destination, outbox, board: testBoard(), ports: testPorts(), onLink: () => undefined }, stop.signal);
    await until("rows 1");
    expect(seen[0]).toBe("connect without a life");
    stop.abort(new Error("the test is over"));
    await running;
  });
});

describe("a bridge that confirms what never left", () => {
  it("is not believed, and health says what it may mean and what to do", async () => {
    const outbox = open({ dataDir: temporaryDirectory() });
    await outbox.commit(commitOf([record(1)]));
    const downlinks = new Downlinks({ destination: "bridge", ports: testPorts({ network: fakeClock() }), outbox, commands: { heartbeat: () => undefined } });
    const health = (): unknown => agentHealth({
      identity: IDENTITY, startedAt: fakeClock().now(), outbox, endurance: { status: () => null }, clockTrust: { state: () => "waiting" }, ports: { clock: fakeClock() }, machines: [],
      destinations: [{ name: "bridge", link: { state: "connecting", attempt: 1 }, delivery: null, doubt: "a doubt", downlinks }],
    }).heartbeat;
    expect(health()).toMatchObject({ destinations: [{ warnings: ["a doubt"] }] });
    for (const through of [130, 2 ** 60, 131]) downlinks.take("confirm", new TextEncoder().encode(JSON.stringify({ destination: "bridge", epoch: outbox.epoch, through })));
    downlinks.take("confirm", new TextEncoder().encode(JSON.stringify({ destination: "bridge", epoch: "another", through: 500 })));
    expect(health()).toMatchObject({ destinations: [{
      warnings: ["a doubt", expect.stringMatching(/confirmed row 131 .*older copy of itself.*cellgate buffer repair --older/)],
      confirmedThrough: null, downlinks: { accepted: { confirm: 0 }, refused: { confirm: 4 } },
    }] });
    expect(outbox.pending("bridge", 0, 10)).toHaveLength(1);
  });
});
