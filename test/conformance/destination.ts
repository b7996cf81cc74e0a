/**
 * What every destination must do, whatever it speaks: the list that a new kind of destination runs before it counts as
 * one. The peer is real to it (sockets), only scripted.
 */
import { expect, it } from "vitest";
import { LinkError } from "../../agent/contract/errors.ts";
import type { Destination } from "../../agent/contract/destination.ts";
import { memoryOutbox, type MemoryOutbox } from "../support/memory-outbox.ts";
import { delivering, put } from "../support/delivering.ts";
import { manyRecords } from "../support/sample-records.ts";

/** What the peer does with the n-th message it gets (1 is the first, over all connections). */
export type PeerAnswer = "take" | "refuse for good" | "take nothing for now" | "silent" | "die";
export interface ScriptedPeer extends AsyncDisposable {
  readonly destination: Destination;
  /** Record ids as they arrived, repeats included; resolves when there are at least so many. */
  received(atLeast: number): Promise<readonly string[]>;
}
/** What a peer cannot do is left out: MQTT 3.1.1 refuses nothing. */
export interface Abilities {
  readonly refuses: boolean;
}
export type StartPeer = (answer: (nth: number) => PeerAnswer, stalledMs?: number) => Promise<ScriptedPeer>;

async function filled(count: number): Promise<MemoryOutbox> {
  const outbox = memoryOutbox();
  await put(outbox, manyRecords(count));
  return outbox;
}
const forever = new AbortController().signal;

/** Call inside `describe`. `unreachable` is a destination whose peer does not exist. */
export function destinationConformance(startPeer: StartPeer, unreachable: () => Promise<Destination>, { refuses }: Abilities = { refuses: true }): void {
  it("takes all, in order", async () => {
    await using peer = await startPeer(() => "take");
    const outbox = await filled(300);
    const delivery = await peer.destination.connect(forever, () => undefined);
    expect(await delivery.deliver(outbox.pending("bridge", 0, 300), forever)).toEqual({ accepted: outbox.pending("bridge", 0, 300).map(({ seq }) => seq), rejected: [] });
    expect(await peer.received(300)).toEqual(outbox.pending("bridge", 0, 300).map(({ id }) => id));
    await delivery.close();
    await delivery.close();
  });

  it.runIf(refuses)("names what the peer refuses for good, and takes the rest", async () => {
    await using peer = await startPeer((nth) => (nth === 2 ? "refuse for good" : "take"));
    const outbox = await filled(3);
    const delivery = await peer.destination.connect(forever, () => undefined);
    expect(await delivery.deliver(outbox.pending("bridge", 0, 3), forever)).toMatchObject({ accepted: [1, 3], rejected: [{ seq: 2, reason: expect.any(String) as string }] });
    await delivery.close();
  });

  it.runIf(refuses)("accept half: what is in neither list stays", async () => {
    await using peer = await startPeer((nth) => (nth % 2 === 0 ? "take nothing for now" : "take"));
    const outbox = await filled(4);
    const delivery = await peer.destination.connect(forever, () => undefined);
    const { accepted, rejected } = await delivery.deliver(outbox.pending("bridge", 0, 4), forever);
    expect([accepted.toSorted((a, b) => a - b), rejected]).toEqual([[1, 3], []]);
    await delivery.close();
  });

  it("dies after receiving and before acknowledging: nothing is lost, the repeat has the same id", async () => {
    await using peer = await startPeer((nth) => (nth === 5 ? "die" : "take"));
    const outbox = await filled(50);
    const ids = outbox.pending("bridge", 0, 50).map(({ id }) => id);
    await using running = delivering(peer.destination, outbox);
    await outbox.drained();
    const received = await peer.received(51);
    expect([...new Set(received)].sort()).toEqual(ids);
    expect(running.links.some(({ state }) => state === "down")).toBe(true);
  });

  it("settles `lost` and says what was acknowledged when the peer dies midway; throws when nothing was", async () => {
    await using peer = await startPeer((nth) => (nth === 3 ? "die" : "take"));
    const outbox = await filled(2);
    const delivery = await peer.destination.connect(forever, () => undefined);
    expect(await delivery.deliver(outbox.pending("bridge", 0, 2), forever)).toEqual({ accepted: [1, 2], rejected: [] });
    await expect(delivery.deliver(outbox.pending("bridge", 0, 2), forever)).rejects.toBeInstanceOf(LinkError);
    expect(await delivery.lost).toBeInstanceOf(LinkError);
    await expect(delivery.deliver(outbox.pending("bridge", 0, 2), forever)).rejects.toBeInstanceOf(LinkError);
    await delivery.close();
  });

  it("times out on a peer that stays silent", async () => {
    await using peer = await startPeer((nth) => (nth > 3 ? "silent" : "take"), 200);
    const outbox = await filled(10);
    const delivery = await peer.destination.connect(forever, () => undefined);
    expect((await delivery.deliver(outbox.pending("bridge", 0, 10), forever)).accepted).toEqual([1, 2, 3]);
    expect(await delivery.lost).toMatchObject({ fault: "timeout" });
    await delivery.close();
  });

  it("an abort keeps what has not left, and waits a little for what has", async () => {
    await using peer = await startPeer((nth) => (nth > 3 ? "silent" : "take"), 1_000);
    const outbox = await filled(300);
    const delivery = await peer.destination.connect(forever, () => undefined);
    const controller = new AbortController();
    const outcome = delivery.deliver(outbox.pending("bridge", 0, 300), controller.signal);
    controller.abort(new Error("stop"));
    const { accepted } = await outcome;
    expect(accepted.every((seq) => seq <= 3)).toBe(true);
    expect((await peer.received(0)).length).toBeLessThan(300);
    await delivery.close();
  });

  it("a peer that is not there is a LinkError", async () => {
    await expect((await unreachable()).connect(forever, () => undefined)).rejects.toMatchObject({ name: "LinkError", fault: "unreachable" });
  });
}
