/** `cellgate buffer replay | dead | repair`: on the buffer of a stopped agent, and through the control socket of a running one. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import type { Outbox, OutboxStatus } from "../../../../agent/contract/outbox.ts";
import { controlVerbs } from "../../../../agent/runtime/health/control-verbs.ts";
import { controlSocketOf, serveControl } from "../../../../agent/runtime/health/control.ts";
import { testPorts } from "../../../support/ports.ts";
import { bench, hours, type Bench } from "./buffer.ts";

/** The part of a running agent that the commands meet: the open buffer and the socket. */
async function whileRunning(own: Bench, work: (outbox: Outbox) => Promise<void>, asTold: Partial<OutboxStatus> = {}): Promise<void> {
  await own.filled(async (outbox) => {
    const stopping = new AbortController();
    const verbs = controlVerbs({ outbox, destinations: ["bridge", "archive"], health: () => ({}), sources: { list: () => [], registers: () => Promise.reject(new Error("there is none")) } });
    const answer: typeof verbs = (request) => (request.verb === "buffer.status" ? { ok: true, result: { ...outbox.status(), ...asTold } } : verbs(request));
    const serving = serveControl({ dataDir: own.dataDir, ports: testPorts(), answer }, stopping.signal);
    await expect.poll(() => readdirSync(own.dataDir)).toContain(controlSocketOf(own.dataDir).slice(own.dataDir.length + 1));
    try {
      await work(outbox);
    } finally {
      stopping.abort(new Error("the test is over"));
      await serving;
    }
  });
}
const delivered = (outbox: Outbox, destination: string): void => {
  outbox.settle(destination, { accepted: outbox.pending(destination, 0, 10_000).map(({ seq }) => seq), rejected: [] });
};
const again = (outbox: Outbox, destination: string): readonly number[] => outbox.replaying(destination, 0, 10_000).map(({ seq }) => seq);
const HEAD = ["buffer", "replay"] as const;

describe("cellgate buffer replay", () => {
  it("sends what was learned lately again, by a running agent at once: 0", async () => {
    const own = bench();
    await whileRunning(own, async (outbox) => {
      await hours(outbox, Date.now(), 10, 12);
      delivered(outbox, "bridge");
      const ran = await own.cellgate(...HEAD, "--since", "150m", "--to", "bridge");
      expect(ran).toEqual({ code: 0, err: "", out: "30 records (numbers 91 to 120) are being sent again to bridge.\n" });
      expect(again(outbox, "bridge")).toEqual(Array.from({ length: 30 }, (_, index) => 91 + index));
      expect((await own.cellgate("buffer", "status")).out).toContain("as the running agent says");
    });
  });
  it("marks it in the buffer of a stopped one, for its next start: 0", async () => {
    const own = bench();
    await own.filled(async (outbox) => {
      await hours(outbox, Date.now(), 10, 12);
      delivered(outbox, "bridge");
    });
    const ran = await own.cellgate(...HEAD, "--from-seq", "5", "--to-seq", "7", "--to", "bridge", "--json");
    expect([ran.code, JSON.parse(ran.out)]).toEqual([0, expect.objectContaining({ destination: "bridge", from: 5, to: 7, rows: 3, by: "file" })]);
    expect((await own.cellgate(...HEAD, "--from-seq", "7", "--to-seq", "7", "--to", "bridge")).out).toBe("1 record (numbers 7 to 7) will be sent again to bridge when the agent next runs.\n");
    await own.filled((outbox) => {
      expect(again(outbox, "bridge")).toEqual([5, 6, 7]);
      expect(again(outbox, "archive")).toEqual([]);
    });
  });
  it.each([
    [["--since", "8h"], 2, "name the destination: --to NAME (bridge, archive)"],
    [["--since", "8h", "--to", "brigde"], 2, "did you mean bridge?"],
    [["--to", "bridge"], 2, "either --since 8h or --from-seq N"],
    [["--since", "8h", "--from-seq", "3", "--to", "bridge"], 2, "either --since 8h or --from-seq N"],
    [["--from-seq", "9", "--to-seq", "3", "--to", "bridge"], 2, "--to-seq 3 lies before --from-seq 9"],
    [["--from-seq", "900", "--to", "bridge"], 2, "newest record has number 10"],
    [["--from-seq", "1", "--to", "bridge"], 1, "have not been sent yet: they come by themselves"],
  ])("refuses %j in words", async (words, code, said) => {
    const own = bench();
    await own.filled((outbox) => hours(outbox, Date.now(), 10, 1));
    const ran = await own.cellgate(...HEAD, ...words);
    expect([ran.code, ran.err]).toEqual([code, expect.stringContaining(said)]);
  });
});

describe("cellgate buffer dead", () => {
  const refuse = async (outbox: Outbox): Promise<void> => {
    await hours(outbox, Date.now(), 10, 1);
    outbox.settle("bridge", { accepted: [1, 2, 5, 6, 7, 8, 9], rejected: [{ seq: 3, reason: "topic name invalid (0x90)" }, { seq: 4, reason: "topic name invalid (0x90)" }, { seq: 10, reason: "packet too large (0x95)" }] });
  };
  it("lists, releases and purges on the buffer of a stopped agent", async () => {
    const own = bench();
    await own.filled(refuse);
    const list = await own.cellgate("buffer", "dead");
    expect(list.code).toBe(0);
    expect(list.out).toMatch(/^bridge {9}3-4 {14}2.*Z {2}topic name invalid \(0x90\)\nbridge {9}10 {15}2.*Z {2}packet too large \(0x95\)\n$/);
    expect(await own.cellgate("buffer", "dead", "release", "bridge", "3")).toEqual({ code: 0, err: "", out: "2 records will be sent to bridge again when the agent next runs.\n" });
    expect((await own.cellgate("buffer", "dead", "purge", "bridge", "--all")).out).toBe("1 record of bridge forgotten; the loss record stands.\n");
    expect(await own.cellgate("buffer", "dead", "purge", "bridge", "--all")).toMatchObject({ code: 0, out: "bridge has refused nothing; there is nothing to forget.\n" });
    expect((await own.cellgate("buffer", "dead")).out).toBe("No destination has refused anything, and nothing was unreadable.\n");
    await own.filled((outbox) => {
      expect(again(outbox, "bridge")).toEqual([3, 4]);
    });
  });
  it("does the same through a running one", async () => {
    const own = bench();
    await whileRunning(own, async (outbox) => {
      await refuse(outbox);
      await expect.poll(() => outbox.deadLetters(10)).toHaveLength(2);
      expect((await own.cellgate("buffer", "dead", "release", "bridge", "3")).out).toBe("2 records are being sent to bridge again.\n");
      expect(again(outbox, "bridge")).toEqual([3, 4]);
      expect((await own.cellgate("buffer", "dead", "purge", "bridge", "10", "--json")).out).toContain('"rows":1');
      expect(outbox.deadLetters(10)).toEqual([]);
    });
  });
  it.each([
    [["release", "bridge"], 2, "name the destination and the first number"],
    [["release", "bridge", "x"], 2, "SEQ needs a whole number above 0"],
    [["release", "bridge", "4"], 1, "no dead letters of bridge begin at row 4; cellgate buffer dead lists what there is"],
    [["purge", "bridge"], 2, "say which: either SEQ"],
    [["purge", "bridge", "3", "--all"], 2, "say which: either SEQ"],
  ])("refuses %j in words", async (words, code, said) => {
    const own = bench();
    await own.filled(refuse);
    const ran = await own.cellgate("buffer", "dead", ...words);
    expect([ran.code, ran.err]).toEqual([code, expect.stringContaining(said)]);
  });
});

describe("cellgate buffer repair", () => {
  const damage = (own: Bench, seq: number): void => {
    const db = new Database(own.file);
    db.prepare("UPDATE record SET body = 'x' WHERE seq = ?").run(seq);
    db.pragma("wal_checkpoint(TRUNCATE)");
    db.close();
  };
  it("changes nothing where nothing is damaged: 0", async () => {
    const own = bench();
    await own.filled((outbox) => hours(outbox, Date.now(), 500, 6));
    const before = readFileSync(own.file);
    expect(await own.cellgate("buffer", "repair")).toEqual({ code: 0, err: "", out: `${own.dataDir}: nothing is damaged; nothing was changed.\n` });
    expect(readFileSync(own.file).equals(before)).toBe(true);
  });
  it("leaves a damaged record that everybody has had: 0", async () => {
    const own = bench();
    await own.filled(async (outbox) => {
      await hours(outbox, Date.now(), 500, 6);
      for (const name of ["bridge", "archive"]) delivered(outbox, name);
    });
    damage(own, 2);
    const before = readFileSync(own.file);
    expect((await own.cellgate("buffer", "repair")).out).toContain("damaged: 1 record that every destination has had, nothing that is still needed; nothing was changed");
    expect(readFileSync(own.file).equals(before)).toBe(true);
  });
  it("sets a damaged file aside and says what was saved and lost: 0", async () => {
    const own = bench();
    await own.filled((outbox) => hours(outbox, Date.now(), 500, 6));
    damage(own, 700);
    const ran = await own.cellgate("buffer", "repair");
    expect(ran.code).toBe(0);
    expect(ran.out).toMatch(/^The damaged file lies in .*quarantine\/.*\.\nSaved: 2,999 records that were not yet delivered everywhere, 1 position\.\nLost: number 700 \(1 record\)/);
    await own.filled((outbox) => {
      const rows = outbox.pending("bridge", 0, 10_000);
      expect(rows.filter(({ type }) => type !== "loss")).toHaveLength(2_999);
      expect(rows.some(({ type, body }) => type === "loss" && (JSON.parse(body) as { fromSeq: number }).fromSeq === 700)).toBe(true);
      expect(outbox.checkpoint("machine/VMC-3")).toBe("{}");
    });
    expect((await own.cellgate("buffer", "verify")).code).toBe(0);
    expect(readdirSync(join(own.dataDir, "quarantine"))).toHaveLength(1);
  });
  it("begins a new file in place of an older copy, however well it looks: 0", async () => {
    const own = bench();
    await own.filled((outbox) => hours(outbox, Date.now(), 10, 6));
    const ran = await own.cellgate("buffer", "repair", "--older");
    expect([ran.code, ran.out]).toEqual([0, expect.stringMatching(/^The older file lies in .*quarantine\/.*\.\nSaved: 60 records .*\nLost: nobody knows what else had its numbers\. Loss records name all of them of epoch \S+ and go to every destination\./)]);
    await own.filled((outbox) => {
      const losses = outbox.pending("bridge", 0, 10_000).filter(({ type }) => type === "loss").map(({ body }) => JSON.parse(body) as object);
      expect(losses).toEqual([expect.objectContaining({ fromSeq: 1, toSeq: null, count: null })]);
    });
  });
  it("is refused while an agent runs: 1", async () => {
    const own = bench();
    await whileRunning(own, async () => {
      const ran = await own.cellgate("buffer", "repair");
      expect([ran.code, ran.err]).toEqual([1, expect.stringContaining("stop it first (systemctl stop cellgate)")]);
    });
  });
});

it("shows the room there is, where the disk has less than the configuration allows", async () => {
  const own = bench();
  await whileRunning(own, async () => {
    expect((await own.cellgate("buffer", "status")).out).toMatch(/room {8}\[.*\] \d+ kB of 3.5 MB \(not the 1.1 GB of the configuration: the disk has no more to give\)/);
  }, { budgetBytes: 3_500_000 });
});

it.each([
  [5_000_000, 97_000, "5.0 MB and 100 syncs a day (over 1.6 minutes): too early to say for how long the card lasts"],
  [5_000_000, 7_200_000, "5.0 MB and 100 syncs a day (over 2 hours): the card lasts 13 years"],
  [5_000_000_000, 86_400_000, "5.0 GB and 100 syncs a day (over 1 day): the card lasts 4.6 days"],
])("says what %i bytes a day, seen over %i ms, mean for the card", async (bytesPerDay, overMs, said) => {
  const own = bench();
  await whileRunning(own, async () => {
    expect((await own.cellgate("buffer", "status")).out).toContain(said);
  }, { wear: { bytesPerDay, syncsPerDay: 100, overMs, by: "process", cardYears: 62_500_000 / bytesPerDay, allowedBytesPerDay: 5_000_000, patienceMs: 250, alarm: null } });
});

describe("an agent that has no control socket", () => {
  it("is seen by its lock: what changes is refused in words, what reads says where its numbers come from", async () => {
    const own = bench();
    await own.filled(async (outbox) => {
      await hours(outbox, Date.now(), 10, 12);
      delivered(outbox, "bridge");
      const { code, out } = await own.cellgate("buffer", "status");
      expect([code, out]).toEqual([0, expect.stringContaining("(from the file; the agent is running, but cannot be asked (its log says why))")]);
      for (const words of [["replay", "--from-seq", "1", "--to", "bridge"], ["dead", "release", "bridge", "1"], ["repair"]])
        expect(await own.cellgate("buffer", ...words)).toMatchObject({ code: 1, err: expect.stringMatching(/an agent runs on .*systemctl stop cellgate/) as string });
    });
    expect((await own.cellgate("buffer", "status")).out).toContain("(from the file; the agent is stopped)");
  });
});
